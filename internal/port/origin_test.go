package port_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/micro/platform/tests/echo"
)

// TestOrigins: pages of listed origins call, those of others are refused before anything
// is done, and who is no page is not asked.
func TestOrigins(t *testing.T) {
	c := config()
	c.Origins = []string{"https://app.example", "http://localhost:3000"}
	address := serve(t, c, with(&echo.Handler{})).Addr().String()
	none := run(t)
	const preflight = "POST"
	for name, tt := range map[string]struct {
		address, origin string
		asks            string // before it calls
		want            int
		allowed         bool
	}{
		"no page":                       {address, "", "", http.StatusOK, false},
		"listed":                        {address, "https://app.example", "", http.StatusOK, true},
		"listed, asks":                  {address, "http://localhost:3000", preflight, http.StatusNoContent, true},
		"listed, asks for another verb": {address, "https://app.example", "DELETE", http.StatusNoContent, false},
		"of the port itself":            {address, "http://" + address, "", http.StatusOK, false},
		"of the port itself, by TLS":    {address, "https://" + address, "", http.StatusOK, false},
		"foreign":                       {address, "https://evil.example", "", http.StatusForbidden, false},
		"foreign, asks":                 {address, "https://evil.example", preflight, http.StatusForbidden, false},
		"other scheme":                  {address, "http://app.example", "", http.StatusForbidden, false},
		"other port":                    {address, "https://app.example:8443", "", http.StatusForbidden, false},
		"longer":                        {address, "https://app.example.evil.example", "", http.StatusForbidden, false},
		"nowhere":                       {address, "null", "", http.StatusForbidden, false},
		"no URL":                        {address, "://", "", http.StatusForbidden, false},
		"nobody is listed":              {none, "https://app.example", preflight, http.StatusForbidden, false},
	} {
		for _, path := range []string{"/micro.test.v1.Echo/Call", "/"} {
			t.Run(name+" "+path, func(t *testing.T) {
				method, header := http.MethodPost, http.Header{"Content-Type": {"application/json"}, "Micro-Endpoint": {"Echo.Call"}}
				if tt.origin != "" {
					header.Set("Origin", tt.origin)
				}
				if tt.asks != "" {
					method = http.MethodOptions
					header = http.Header{
						"Origin": {tt.origin}, "Access-Control-Request-Method": {tt.asks}, "Access-Control-Request-Headers": {"authorization,connect-protocol-version,content-type"},
					}
				}
				req, err := http.NewRequestWithContext(limited(t), method, "http://"+tt.address+path, strings.NewReader(`{"text":"hi"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header = header
				status, got, body := do(t, req)
				if path == "/" && method == http.MethodPost && tt.want == http.StatusForbidden {
					if fault := got.Get("Micro-Error"); !strings.Contains(fault, "foreign_origin") {
						t.Errorf("go-micro RPC: got %d %s %v", status, body, got)
					}
				} else if status != tt.want || status == http.StatusForbidden && !strings.Contains(body, "foreign_origin") {
					t.Errorf("got %d %s, want %d", status, body, tt.want)
				}
				allowed := ""
				if tt.allowed {
					allowed = tt.origin
				}
				if got := got.Get("Access-Control-Allow-Origin"); got != allowed {
					t.Errorf("got Access-Control-Allow-Origin %q, want %q", got, allowed)
				}
				if tt.allowed && tt.asks != "" && got.Get("Access-Control-Allow-Headers") == "" {
					t.Error("no header is allowed")
				}
				if got.Get("Access-Control-Allow-Credentials") != "" {
					t.Error("cookies are allowed")
				}
			})
		}
	}
}
