package port_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
)

func unmarshal(body string, m proto.Message) error { return protojson.Unmarshal([]byte(body), m) }

func TestHandleHTTP(t *testing.T) {
	s := port.New(t.Context(), config())
	s.HandleHTTP("GET /hello/{name}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.PathValue("name"))
	}))
	s.HandleHTTP("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "all others") }))
	if err := errors.Join(with(&echo.Handler{})(s), s.Start()); err != nil {
		t.Fatal(err)
	}
	defer s.Stop() //nolint:errcheck // other tests look at it
	base := "http://" + s.Addr().String()
	for path, want := range map[string]string{"/hello/you": "hello you", "/": "all others", "/None/Call": "all others"} {
		req, err := http.NewRequestWithContext(limited(t), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, got := do(t, req); code != http.StatusOK || got != want {
			t.Errorf("GET %s: got %d %q, want %q", path, code, got, want)
		}
	}
	// Calls come first, whatever the service serves itself.
	if _, _, got := post(t, base+"/Echo/Call", `{"text":"hi"}`, nil); got != `{"text":"hi"}` {
		t.Errorf("a call: got %s", got)
	}
	if _, _, got := post(t, base, `{"text":"hi"}`, http.Header{"Micro-Endpoint": {"Echo.Call"}}); got != `{"text":"hi"}` {
		t.Errorf("a call of go-micro RPC: got %s", got)
	}
}

func TestWriteError(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		body   string
	}{
		"ours": {rpcerr.New(codes.NotFound, "kv.not_found", "no such key").Because(errors.New("s3cret")), 404, `{"code":"not_found","message":"no such key","details":[` +
			`{"type":"google.rpc.ErrorInfo","value":"Cgxrdi5ub3RfZm91bmQSBW1pY3Jv","debug":{"reason":"kv.not_found","domain":"micro"}}]}`},
		"other": {errors.New("s3cret"), 500, `{"code":"internal","message":"internal error"}`},
	}
	for name, tt := range tests {
		w := httptest.NewRecorder()
		port.WriteError(w, tt.err)
		if got := w.Body.String(); w.Code != tt.status || got != tt.body+"\n" {
			t.Errorf("%s: got %d %s, want %d %s", name, w.Code, got, tt.status, tt.body)
		}
		if got := w.Header(); got.Get("Content-Type") != "application/json" || got.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got header %v", name, got)
		}
	}
}

func TestExposed(t *testing.T) {
	for address, exposed := range map[string]bool{
		"127.0.0.1:80": false, "127.9.9.9:80": false, "[::1]:80": false, "localhost:80": false, "not an address": false,
		":80": true, "0.0.0.0:80": true, "[::]:80": true, "10.1.2.3:80": true, "kv.example.com:80": true, "[fe80::1%eth0]:80": true,
	} {
		if err := port.Exposed(address); (err != nil) != exposed {
			t.Errorf("%s: got error %v, want %v", address, err, exposed)
		}
	}
	c := config()
	c.Address = "0.0.0.0:0"
	s := port.New(t.Context(), c)
	if err := s.Start(); err == nil {
		t.Error("listens on 0.0.0.0")
		_ = s.Stop()
	}
	c.Insecure = true
	serve(t, c)
}
