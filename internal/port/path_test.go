package port_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
)

// TestPathRefused: what is no RPC is asked for by a path that can be read in one way alone.
func TestPathRefused(t *testing.T) {
	s := serve(t, config(), with(&echo.Handler{}), func(s server.Server) error {
		for pattern, text := range map[string]string{"/page": "page", "/tree/": "tree"} {
			s.(*port.Server).HandleHTTP(pattern, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		}
		return nil
	})
	refused := map[string]string{
		"/page/../page": "a segment of dots", "/..": "a segment of dots", "/page/.": "a segment of dots", "/./page": "a segment of dots",
		"/page/%2e%2e/page": "a segment of dots", "/page/%2E./page": "a segment of dots", "/%2e": "a segment of dots",
		"//page": "an empty segment", "//": "an empty segment", "/page//": "an empty segment", "/tree//leaf": "an empty segment",
		"/tree%2fleaf": "an encoded slash", "/tree%2Fleaf": "an encoded slash", "/tree/..%2fpage": "an encoded slash",
		`/tree\leaf`: "a backslash", "/tree%5cleaf": "a backslash", "/tree%5Cleaf": "a backslash", "/page%00": "a NUL",
		"http://localhost/tree/../page": "a segment of dots",
	}
	for path, what := range refused {
		code, body := getRaw(t, s.Addr().String(), path)
		var got struct {
			Code, Message string
			Details       []struct{ Debug struct{ Reason string } }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Details) != 1 {
			t.Errorf("%s: %q: %v", path, body, err)
			continue
		}
		if code != http.StatusBadRequest || got.Code != "invalid_argument" || got.Details[0].Debug.Reason != "path" || !strings.HasSuffix(got.Message, " has "+what) {
			t.Errorf("%s: got %d %s, want %s", path, code, body, what)
		}
	}
	for path, want := range map[string]string{
		"/page": "page", "/page?from=/../x": "page", "/tree/": "tree", "/tree/leaf/": "tree", "/tree/a..b/...": "tree", "/tree/%252f": "tree", "/%70age": "page",
	} {
		if code, body := getRaw(t, s.Addr().String(), path); code != http.StatusOK || body != want {
			t.Errorf("%s: got %d %q", path, code, body)
		}
	}
}

// getRaw asks for a path as it stands.
func getRaw(t *testing.T, address, path string) (int, string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(limited(t), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	rsp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp.StatusCode, string(body)
}
