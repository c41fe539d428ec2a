package abuse_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// TestTooManyCalls has more in flight than PLATFORM_MAX_CALLS and PLATFORM_MAX_STREAMS.
// What is over is refused at once, says when to come back, and costs the others nothing.
func TestTooManyCalls(t *testing.T) {
	for _, c := range []struct {
		name, method string
		occupy       string
		stream       bool
	}{
		{"calls", "Echo.Call", muCP("Echo.Call", `{"sleep":"60s"}`), false},
		{"streams", "Echo.Count", openStream("Echo.Count") + inStream("Echo.Count", `{"count":1,"hold":true}`), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := startEcho(t, map[string]string{"PLATFORM_MAX_CALLS": "2", "PLATFORM_MAX_STREAMS": "2"})
			var busy []net.Conn
			for range 2 {
				conn := dial(t, address)
				send(t, conn, c.occupy)
				busy = append(busy, conn)
			}
			running := `rpc_server_in_flight{endpoint="` + c.method + `",protocol="mucp"} 2`
			await(t, running, func() string {
				if all := metrics(t, address); !strings.Contains(all, running) {
					return "these are: " + inFlight.FindString(all)
				}
				return ""
			})
			for _, d := range doors() {
				r := request{address: address, method: c.method, stream: c.stream, body: map[bool][]byte{true: []byte("{}")}[d.json]}
				a := d.call(t, r)
				a.expect(t, d.name, codes.ResourceExhausted)
				if !strings.Contains(a.message, "more than 2 "+c.name) || !strings.Contains(a.message, "again in a second") {
					t.Errorf("%s: got %v", d.name, a)
				}
				if a.retry != time.Second && !strings.HasPrefix(d.name, "mucp") { // which has no place for it
					t.Errorf("%s: says to come back in %v", d.name, a.retry)
				}
			}
			for _, conn := range busy {
				_ = conn.Close()
			}
			await(t, "room for others", func() string { return inFlight.FindString(metrics(t, address)) })
			for _, d := range doors() {
				r := request{address: address, method: c.method, stream: c.stream, body: map[bool][]byte{true: []byte("{}")}[d.json]}
				got := d.call(t, r)
				got.expect(t, d.name+", when there is room", codes.OK)
			}
		})
	}
}

// openStream opens a stream of go-micro RPC.
func openStream(endpoint string) string { return inStream(endpoint, "") }

// inStream is a message in a stream of go-micro RPC.
func inStream(endpoint, body string) string {
	return muCP(endpoint, body, "Micro-Stream: 1", "Micro-Id: 1")
}

// TestAbsurdTimeout names deadlines that make no sense.
func TestAbsurdTimeout(t *testing.T) {
	address := startEcho(t, nil)
	left := func(t *testing.T, header string) string {
		t.Helper()
		c := dial(t, address)
		defer c.Close()
		send(t, c, muCP("Echo.Call", `{"text":"metadata"}`, "Timeout: "+header))
		rsp, body := receive(t, bufio.NewReader(c))
		if e := rsp.Header.Get("Micro-Error"); e != "" {
			return e
		}
		_, rest, _ := strings.Cut(body, `"left":"`)
		text, _, _ := strings.Cut(rest, `"`)
		return text
	}
	for _, header := range []string{"", "0", "-1", "-9223372036854775808", "9223372036854775808", strings.Repeat("9", 1000), "soon", "1e9", "0x10", "5s", "NaN", "1 2", "\t"} {
		if d, err := time.ParseDuration(left(t, header)); err != nil || d <= 0 || d > 30*time.Second {
			t.Errorf("Timeout: %.30q leaves the handler %v (%v), want PLATFORM_TIMEOUT", header, d, err)
		}
	}
	if got := left(t, "1"); !strings.Contains(got, "deadline_exceeded") {
		t.Errorf("a nanosecond: got %q", got)
	}
	if d, err := time.ParseDuration(left(t, "9223372036854775807")); err != nil || d <= 30*time.Second {
		t.Errorf("292 years: the handler has %v (%v)", d, err)
	}
}

// TestAbsurdTimeoutElsewhere is TestAbsurdTimeout where a library answers what cannot
// be read as a deadline, before anything of ours sees the call.
func TestAbsurdTimeoutElsewhere(t *testing.T) {
	const invalid, internal = codes.InvalidArgument, codes.Internal // as grpc-go has it, not counted as ours
	address := startEcho(t, nil)
	for protocol, c := range map[string]struct {
		header string
		want   map[string]codes.Code
	}{
		"connect": {"Connect-Timeout-Ms", map[string]codes.Code{"-1": codes.DeadlineExceeded, "soon": invalid, "99999999999": invalid, "1.5": invalid, "": codes.OK}},
		"grpc":    {"Grpc-Timeout", map[string]codes.Code{"-1": internal, "-1S": internal, "soon": internal, "999999999S": internal, "1.5S": internal, "": internal}},
		"grpcweb": {"Grpc-Timeout", map[string]codes.Code{"-1": invalid, "-1S": invalid, "soon": invalid, "999999999S": invalid, "1.5S": invalid, "": codes.OK}},
	} {
		for _, d := range doors() {
			if !strings.HasPrefix(d.name, protocol+"+") {
				continue
			}
			for value, want := range c.want {
				r := request{address: address, method: "Echo.Call", body: map[bool][]byte{true: []byte("{}")}[d.json], header: http.Header{c.header: {value}}}
				got := d.call(t, r)
				got.expect(t, d.name+" "+value, want)
			}
		}
	}
}
