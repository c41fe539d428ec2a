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
	address := startKV(t, nil)
	for _, c := range []struct {
		name    string
		body    string
		headers http.Header
		want    codes.Code
	}{
		{"half an envelope", "\x00\x00\x00", nil, codes.InvalidArgument},
		{"envelope without its message", "\x00\x00\x00\x00\x05{", nil, codes.InvalidArgument},
		{"nothing", "", nil, codes.Unimplemented},
		{"two messages", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil, codes.Unimplemented},
		{"compressed without an encoding", "\x01\x00\x00\x00\x02{}", nil, codes.InvalidArgument},
		{"no gzip", "\x01\x00\x00\x00\x02{}", gzipped(), codes.InvalidArgument},
		{"half a gzip", "\x01\x00\x00\x00\x0a\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", gzipped(), codes.InvalidArgument},
		{"unknown flag", "\x40\x00\x00\x00\x02{}", nil, codes.InvalidArgument},
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
				a := d.call(t, request{address: address, method: "KV." + m, stream: m == "Watch", body: []byte(c.body), header: header})
				a.expect(t, c.name+", "+d.name+", "+m, c.want)
			}
		}
	}
}

func gzipped() http.Header {
	return http.Header{"Grpc-Encoding": {"gzip"}, "Connect-Content-Encoding": {"gzip"}}
}
