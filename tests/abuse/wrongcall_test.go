package abuse_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// A wrongCall is wrong beside its message. Where a protocol cannot carry the code that
// the others answer, differs has what it answers, and why.
type wrongCall struct {
	name    string
	change  func(r *request)
	code    codes.Code
	says    string
	differs []difference
}

type difference struct {
	doors string // what their names begin with
	code  codes.Code
	http  int
	why   string
}

// absent is the code of a case that a protocol does not have.
const absent codes.Code = 99

func wrongCalls() []wrongCall {
	return []wrongCall{
		{
			name: "unknown content type", change: func(r *request) { r.as = "application/xml" },
			code: codes.InvalidArgument, says: "application/xml",
			differs: []difference{
				{"connect", codes.Unknown, http.StatusUnsupportedMediaType, "in which form would the answer be? Connect wants a bare 415"},
				{"grpcweb", codes.Unknown, http.StatusUnsupportedMediaType, "the same handler, which cannot tell what the caller speaks"},
			},
		},
		{
			name: "unknown encoding", change: func(r *request) { r.as += "+xml" },
			code: codes.InvalidArgument, says: "+xml",
			differs: []difference{
				{"grpc+", codes.Unimplemented, http.StatusOK, "the conformance suite of Connect wants it"},
				{"connect", codes.Unknown, http.StatusUnsupportedMediaType, "as above"},
				{"grpcweb", codes.Unknown, http.StatusUnsupportedMediaType, "as above"},
			},
		},
		{
			name: "unknown method", change: func(r *request) { r.method = "KV.Destroy" },
			code: codes.Unimplemented, says: "no such method",
		},
		{
			name: "GET", change: func(r *request) { r.verb = http.MethodGet },
			code: codes.Unimplemented,
			differs: []difference{
				{"mucp", codes.OK, http.StatusOK, "its calls go to /, and a GET of / gets the page there"},
				{"grpc+", codes.Internal, http.StatusMethodNotAllowed, "grpc-go answers by itself; no gRPC client can send it"},
			},
		},
		{
			name: "foreign host", change: func(r *request) { r.header = http.Header{"Host": {"evil.example:8106"}} },
			code: codes.PermissionDenied, says: "evil.example",
		},
		{
			name: "host that begins with an address", change: func(r *request) { r.header = http.Header{"Host": {"127.0.0.1.evil.example"}} },
			code: codes.PermissionDenied, says: "evil.example",
		},
		{
			name: "unknown compression", change: func(r *request) {
				r.header = http.Header{"Content-Encoding": {"br"}, "Grpc-Encoding": {"br"}, "Connect-Content-Encoding": {"br"}}
			},
			code: codes.Unimplemented, says: "br",
			differs: []difference{{"mucp", absent, 0, "it has no compression"}},
		},
	}
}

func TestWrongCall(t *testing.T) {
	address := startKV(t, nil)
	for _, c := range wrongCalls() {
		t.Run(c.name, func(t *testing.T) {
			for _, d := range doors() {
				for _, m := range slices.Sorted(maps.Keys(methods)) {
					if c.expected(d).code == absent {
						continue
					}
					r := request{address: address, method: "KV." + m, stream: m == "Watch", body: []byte("{" + methods[m] + "}")}
					if !d.json {
						r.body = toProto(t, r.method, string(r.body))
					}
					r.as = contentType(d, r.stream)
					c.change(&r)
					a := d.call(t, r)
					c.judge(t, d.name+", "+m, d, a)
				}
			}
		})
	}
}

// expected is what d answers; http is 0 where that does not matter.
func (c wrongCall) expected(d door) difference {
	for _, not := range c.differs {
		if strings.HasPrefix(d.name, not.doors) {
			return not
		}
	}
	return difference{code: c.code}
}

func (c wrongCall) judge(t *testing.T, what string, d door, a answer) {
	t.Helper()
	want := c.expected(d)
	a.expect(t, what, want.code)
	if want.http != 0 && a.status != want.http {
		t.Errorf("%s: got HTTP %d, want %d", what, a.status, want.http)
	}
	if want.why == "" && !strings.Contains(a.message, c.says) {
		t.Errorf("%s: got message %q, want one with %q", what, a.message, c.says)
	}
}

func contentType(d door, stream bool) string {
	protocol, codec, _ := strings.Cut(d.name, "+")
	switch {
	case protocol == "mucp" && codec == "proto":
		return "application/protobuf"
	case protocol == "connect" && stream:
		return "application/connect+" + codec
	case protocol == "connect" || protocol == "mucp":
		return "application/" + codec
	case protocol == "grpc" && codec == "proto":
		return "application/grpc"
	case protocol == "grpcweb":
		return "application/grpc-web+" + codec
	}
	return "application/grpc+" + codec
}
