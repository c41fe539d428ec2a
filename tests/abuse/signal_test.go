package abuse_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// TestTerminate sends the signal to stop to services that have nothing to do, that have
// calls in flight and that have streams open.
func TestTerminate(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){
		"calls in flight":   terminateCalls,
		"calls without end": terminateEndless,
		"streams":           terminateStreams,
		"twice":             terminateTwice,
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		tests["idle, "+s.String()] = func(t *testing.T) {
			p := begin(t, built(t), nil)
			conn := dial(t, p.address(t)) // which says nothing
			defer conn.Close()
			p.signal(t, s)
			p.expect(t, 0, soon)
		}
	}
	atOnce(t, tests)
}

// expect waits for the end.
func (p *process) expect(t *testing.T, code int, within time.Duration) {
	t.Helper()
	if got := p.exit(t, within); got != code {
		t.Errorf("got exit code %d, want %d:\n%s", got, code, p.stderr.String())
	}
}

// occupied starts echo-srv with a call through each door in flight. What it returns
// waits for their answers.
func occupied(t *testing.T, env map[string]string, sleep string) (*process, func() []answer) {
	t.Helper()
	p := again(t, "echo", env)
	address := p.address(t)
	var calls sync.WaitGroup
	var answers []answer
	var mu sync.Mutex
	n := 0
	for _, d := range doors() {
		if !d.json {
			continue
		}
		n++
		calls.Go(func() {
			a := d.try(t, request{address: address, method: "Echo.Call", body: fmt.Appendf(nil, `{"sleep":%q}`, sleep)})
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, a)
		})
	}
	await(t, "the calls to be in flight", func() string {
		all := metrics(t, address)
		if strings.Count(all, `rpc_server_in_flight{endpoint="Echo.Call"`) != n {
			return all
		}
		return ""
	})
	return p, func() []answer {
		calls.Wait()
		return answers
	}
}

// try is call of one whose connection may be cut off, which counts as unavailable.
func (d door) try(t *testing.T, r request) (a answer) {
	t.Helper()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case cutOff:
			a = answer{code: codes.Unavailable, message: string(p)}
		default:
			panic(p)
		}
	}()
	return d.call(cut{t}, r)
}

// cut is a test that survives what is fatal.
type cut struct{ testing.TB }

type cutOff string

func (c cut) Fatal(args ...any)                 { panic(cutOff(fmt.Sprint(args...))) }
func (c cut) Fatalf(format string, args ...any) { panic(cutOff(fmt.Sprintf(format, args...))) }

// terminateCalls: what is in flight ends well, and the process with it.
func terminateCalls(t *testing.T) {
	p, answers := occupied(t, nil, "1.5s")
	p.signal(t, syscall.SIGTERM)
	for _, a := range answers() {
		a.expect(t, "a call in flight", codes.OK)
	}
	p.expect(t, 0, soon)
}

// terminateEndless: what does not end in the time for it is cut off.
func terminateEndless(t *testing.T) {
	p, answers := occupied(t, map[string]string{"PLATFORM_DRAIN": "500ms"}, "60s")
	p.signal(t, syscall.SIGTERM)
	p.expect(t, 0, 500*time.Millisecond+soon)
	for _, a := range answers() {
		if a.code == codes.OK {
			t.Errorf("a call of a minute: got %v", a)
		}
	}
}

// terminateStreams: they have no end of their own, so they are told to go elsewhere.
func terminateStreams(t *testing.T) {
	p := again(t, "echo", map[string]string{"PLATFORM_DRAIN": "60s"})
	address := p.address(t)
	c := dial(t, address)
	send(t, c, openStream("Echo.Count")+inStream("Echo.Count", `{"count":1,"hold":true}`))
	from := bufio.NewReader(c)
	receive(t, from)
	var streams sync.WaitGroup
	for _, d := range doors() {
		if !d.json || strings.HasPrefix(d.name, "mucp") {
			continue
		}
		streams.Go(func() {
			a := d.try(t, request{address: address, method: "Echo.Count", stream: true, body: []byte(`{"count":1,"hold":true}`)})
			if a.code != codes.Unavailable || !strings.Contains(a.message, "is stopping") {
				t.Errorf("%s: got %v, want unavailable", d.name, a)
			}
		})
	}
	await(t, "the streams to be open", func() string {
		if all := metrics(t, address); strings.Count(all, `rpc_server_in_flight{endpoint="Echo.Count"`) != 3 {
			return all
		}
		return ""
	})
	p.signal(t, syscall.SIGTERM)
	rsp, _ := receive(t, from)
	if a := muCPAnswer(t, rsp, 0); a.code != codes.Unavailable {
		t.Errorf("mucp: got %v, want unavailable", a)
	}
	_ = c.Close()
	streams.Wait()
	p.expect(t, 0, soon)
}

// terminateTwice: the second signal means now.
func terminateTwice(t *testing.T) {
	p, answers := occupied(t, map[string]string{"PLATFORM_DRAIN": "60s"}, "60s")
	p.signal(t, syscall.SIGTERM)
	await(t, "the first signal to be seen", func() string {
		rsp, err := (&http.Client{Transport: &http.Transport{}}).Get("http://" + p.address(t) + "/readyz")
		if err != nil {
			return "" // nobody listens
		}
		_ = rsp.Body.Close()
		return rsp.Status
	})
	p.signal(t, syscall.SIGTERM)
	p.expect(t, 130, soon)
	if !strings.Contains(p.stderr.String(), "second signal") {
		t.Errorf("says %q", p.stderr.String())
	}
	answers()
}

// TestKill ends kv-srv without a word while it is busy. Its port is free at once.
func TestKill(t *testing.T) {
	t.Parallel()
	p := begin(t, built(t), nil)
	address := p.address(t)
	for range 3 {
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() { // until it is killed
				for a := (answer{}); a.code == codes.OK; {
					a = doors()[1].try(t, request{address: address, method: "KV.Put", body: []byte(`{"key":"k","value":"dg=="}`)})
				}
			})
		}
		await(t, "some load", func() string {
			if metric(t, address, `rpc_server_requests_total\{code="ok",endpoint="KV.Put".*`) == "" {
				return "none"
			}
			return ""
		})
		p.signal(t, syscall.SIGKILL)
		p.expect(t, -1, soon)
		load.Wait()
		p = begin(t, built(t), map[string]string{"KV_ADDRESS": address})
		if got := p.address(t); got != address {
			t.Fatalf("listens on %s, want %s", got, address)
		}
		serves(t, address)
	}
}

// TestDataFolder has two processes want the same folder.
func TestDataFolder(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PLATFORM_DATA": t.TempDir()}
	first := again(t, "keeper", env)
	first.address(t)
	second := again(t, "keeper", env)
	second.expect(t, 1, soon)
	said := second.stderr.String()
	for _, want := range []string{"PLATFORM_DATA", env["PLATFORM_DATA"] + "/keeper-srv", fmt.Sprintf("process %d", first.cmd.Process.Pid)} {
		if !strings.Contains(said, want) {
			t.Errorf("says %q, want it to name %q", said, want)
		}
	}
	first.signal(t, syscall.SIGKILL) // leaves its lock behind
	first.expect(t, -1, soon)
	third := again(t, "keeper", env)
	third.address(t)
	third.signal(t, syscall.SIGTERM)
	third.expect(t, 0, soon)
	fourth := again(t, "keeper", map[string]string{"PLATFORM_DATA": "/dev/null"})
	fourth.expect(t, 1, soon)
	if said := fourth.stderr.String(); !strings.Contains(said, "PLATFORM_DATA") || !strings.Contains(said, "/dev/null") {
		t.Errorf("a file for a folder: says %q", said)
	}
}
