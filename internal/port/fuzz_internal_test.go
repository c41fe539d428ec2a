package port

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/call"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// FuzzMendJSON: what is mended is JSON, changes nothing that needs no mending, and a
// duration as encoding/json writes it is read as it was.
func FuzzMendJSON(f *testing.F) {
	for _, seed := range []string{
		`{"ttl":{"seconds":90,"nanos":5},"key":"k"}`, `{"ttl":"90s"}`, `{"ttl":{}}`, `{"ttl":null}`, `{"ttl":{"seconds":"1e3"}}`, `{"ttl":[1]}`,
		`{"ttl":{"seconds":99999999999999999999}}`, `{"items":[{"ttl":{"seconds":1}},{}]}`, `{"create_time":{"seconds":1}}`, `{"a":{"b":[{"c":1}]}}`, `[]`, `{`, ``,
	} {
		f.Add([]byte(seed), int64(90), int32(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, seconds int64, nanos int32) {
		for _, m := range []proto.Message{&kvpb.PutRequest{}, &kvpb.GetResponse{}, &kvpb.BatchPutRequest{}, &echopb.CallRequest{}} {
			mended := mendJSON(data, m.ProtoReflect().Descriptor())
			if mended != nil && !json.Valid(mended) {
				t.Errorf("%q becomes %q", data, mended)
			}
			if err := microJSON.decode(data, m); err != nil && !utf8.ValidString(err.Error()) {
				t.Errorf("the refusal of %q is no text: %q", data, err)
			}
		}
		d := &durationpb.Duration{Seconds: seconds, Nanos: nanos}
		if d.CheckValid() != nil {
			return
		}
		text, err := json.Marshal(map[string]any{"ttl": map[string]any{"seconds": seconds, "nanos": nanos}})
		if err != nil {
			t.Fatal(err)
		}
		got := &kvpb.PutRequest{}
		if err := microJSON.decode(text, got); err != nil || !proto.Equal(got.GetTtl(), d) {
			t.Errorf("%s: got %v, %v, want %v", text, got.GetTtl(), err, d)
		}
	})
}

// FuzzHeaders: nothing that a header may hold breaks those who read it, and a binary one
// arrives as it was sent.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"", "application/grpc+json; charset=utf-8", "application/grpc+", "application/protobuf", "text/plain;;", "[::1]:80", "::1", "localhost:", "https://a.example",
		"null", "\x00", "1S", "99999999999999999999n", "-1", "kv-srv.KV/Get", "/micro.kv.v1.KV/Get", "//", "/./",
	} {
		f.Add(seed, []byte(seed))
	}
	echo := &method{endpoint: "Echo.Call", path: "/micro.test.v1.Echo/Call"}
	known := table{byPath: map[string]*method{}, byEndpoint: map[string]*method{}}
	known.add(echo)
	positive := regexp.MustCompile(`^\+?0*[1-9][0-9]*$`)
	f.Fuzz(func(t *testing.T, text string, binary []byte) {
		for _, read := range []func(string) (encoding, error){grpcEncoding, muCPEncoding} {
			if enc, err := read(text); err == nil && enc != protobuf && !strings.Contains(strings.ToLower(text), "json") {
				t.Errorf("Content-Type %q is taken for JSON", text)
			}
		}
		if (hosts{"a.example"}).allow(text) && strings.Contains(text, "evil.example") {
			t.Errorf("host %q is allowed", text)
		}
		if sameOrigin(text, "127.0.0.1:8106") && !strings.Contains(text, "127.0.0.1:8106") {
			t.Errorf("%q is taken for the origin of the port", text)
		}
		if m := known.path(text); m != nil && !strings.HasSuffix(text, "Echo/Call") {
			t.Errorf("path %q finds %s", text, m.endpoint)
		}
		r := &http.Request{Method: http.MethodPost, Header: http.Header{"Timeout": {text}}}
		ctx, cancel := muCPDeadline(r)
		cancel()
		if _, ok := ctx.Deadline(); ok != positive.MatchString(text) && len(text) < 19 {
			t.Errorf("Timeout %q makes a deadline: %v", text, ok)
		}
		h := http.Header{}
		grpcHeaders(metadata.MD{"x-bin": {string(binary)}, "x": {text}}).Each(func(name string, values []string) { h[http.CanonicalHeaderKey(name)] = values })
		if got := toMD(h)["x-bin"]; len(got) != 1 || got[0] != string(binary) {
			t.Errorf("a binary header: got %q, want %q", got, binary)
		}
		call.NewContext(t.Context(), &call.Call{Headers: call.HTTP(http.Header{text: {text}})})
	})
}
