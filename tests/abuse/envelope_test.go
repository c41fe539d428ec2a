package abuse_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// TestWrongEnvelope breaks what gRPC, gRPC-Web and the streams of Connect put around a
// message, and what is compressed.
func TestWrongEnvelope(t *testing.T) {
	const invalid, internal = codes.InvalidArgument, codes.Internal
	address := startKV(t, nil)
	for _, c := range []struct {
		name    string
		body    string
		headers http.Header
		want    codes.Code
		grpc    codes.Code // where grpc-go answers by itself
	}{
		// gRPC's specification wants internal. It does not count as a failure of the service.
		{"half an envelope", "\x00\x00\x00", nil, invalid, internal},
		{"envelope without its message", "\x00\x00\x00\x00\x05{", nil, invalid, internal},
		{"nothing", "", nil, codes.Unimplemented, codes.Unimplemented},
		{"compressed without an encoding", "\x01\x00\x00\x00\x02{}", nil, internal, internal},
		{"no gzip", "\x01\x00\x00\x00\x02{}", gzipped(), invalid, internal},
		{"half a gzip", "\x01\x00\x00\x00\x0a\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", gzipped(), invalid, internal},
		{"unknown flag", "\x40\x00\x00\x00\x02{}", nil, internal, internal},
		{"two messages", "", nil, codes.Unimplemented, codes.Unimplemented},
	} {
		for _, d := range doors() {
			if strings.HasPrefix(d.name, "mucp") {
				continue
			}
			for _, m := range []string{"Put", "Watch"} {
				if strings.HasPrefix(d.name, "connect") && m != "Watch" {
					continue // has no envelope
				}
				header := c.headers.Clone()
				if header == nil {
					header = http.Header{}
				}
				header.Set("Abuse-Raw", "1")
				body, want := []byte(c.body), c.want
				if c.name == "two messages" {
					msg := toBody(d, "{}")
					body = append(envelope(0, msg), envelope(0, msg)...)
				}
				if strings.HasPrefix(d.name, "grpc+") {
					want = c.grpc
				}
				a := d.call(t, request{address: address, method: "KV." + m, stream: m == "Watch", body: body, header: header})
				a.expect(t, c.name+", "+d.name+", "+m, want)
			}
		}
	}
}

func gzipped() http.Header {
	return http.Header{"Grpc-Encoding": {"gzip"}, "Connect-Content-Encoding": {"gzip"}}
}

// toBody is a request without fields.
func toBody(d door, empty string) []byte {
	if d.json {
		return []byte(empty)
	}
	return nil
}
