package console_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// register has the registry say that a service with pages is at an address, and waits
// until the console knows.
func (s *site) register(service, address string) {
	s.t.Helper()
	node := &registry.Node{Id: service + " " + address, Address: address, Metadata: map[string]string{"pages": "/"}}
	if err := s.Registry.Register(&registry.Service{Name: service, Version: "1", Nodes: []*registry.Node{node}}); err != nil {
		s.t.Fatal(err)
	}
	s.await("/", `id="i-`+service+"-"+address)
}

// serve runs who answers for pages of a service what h does.
func (s *site) serve(service string, h http.HandlerFunc) *httptest.Server {
	s.t.Helper()
	srv := httptest.NewServer(ready(h))
	s.t.Cleanup(srv.Close)
	s.t.Cleanup(srv.CloseClientConnections)
	s.register(service, srv.Listener.Addr().String())
	return srv
}

// ready says so, and leaves the rest to h.
func ready(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			_, _ = io.WriteString(w, `{"status":"ready"}`)
		case "/metrics":
			w.WriteHeader(http.StatusNotFound)
		default:
			h(w, r)
		}
	})
}

// says answers with bytes, then with more of others until nobody takes them.
func says(first, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		for _, err = io.WriteString(conn, first); err == nil && more != ""; {
			_, err = io.WriteString(conn, more)
		}
	}
}

// raw sends bytes to the console and returns all that it says until it closes.
func (s *site) raw(request string) string {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.Address("console"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// TestRogueHeaders: a page says what it is, and nothing that holds beyond it.
func TestRogueHeaders(t *testing.T) {
	s := run(t, nil)
	s.serve("evil-srv", func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{
			"Set-Cookie", "Service-Worker-Allowed", "Clear-Site-Data", "Nel", "Report-To", "Reporting-Endpoints", "Alt-Svc", "Strict-Transport-Security",
			"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Link", "Refresh", "Www-Authenticate", "Hx-Redirect", "Hx-Push-Url", "Hx-Location",
			"Sourcemap", "Speculation-Rules", "Content-Security-Policy-Report-Only", "Origin-Agent-Cluster", "Set-Cookie2", "X-Anything",
		} {
			w.Header().Set(name, "evil")
		}
		w.Header().Set("Cross-Origin-Opener-Policy", "unsafe-none")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("Referrer-Policy", "unsafe-url")
		w.Header().Set("X-Content-Type-Options", "none")
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "script-src * 'unsafe-inline' 'unsafe-eval'")
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, "<script>alert(1)</script>")
	})
	got := s.get("/evil/").header
	if cookies := got.Values("Set-Cookie"); len(cookies) != 1 || !strings.HasPrefix(cookies[0], "platform_form=") {
		t.Errorf("the cookies are %q", cookies)
	}
	got.Del("Set-Cookie")
	got.Del("Date")
	at := s.Address("console")
	want := http.Header{
		"Content-Security-Policy": {
			"script-src * 'unsafe-inline' 'unsafe-eval'",
			"script-src " + at + "/assets/; connect-src " + at + "/evil/; form-action " + at + "/evil/; object-src 'none'; frame-src 'none'; worker-src 'none'; base-uri 'none'; frame-ancestors 'none'",
		},
		"Cross-Origin-Opener-Policy": {"same-origin"}, "Cross-Origin-Resource-Policy": {"same-origin"}, "Referrer-Policy": {"same-origin"}, "X-Content-Type-Options": {"nosniff"},
		"Cache-Control": {"private, no-cache"}, "Content-Type": {"text/html"}, "Etag": {`"1"`}, "Content-Length": {"25"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRogueReach is what script may come from, and reach, by the address of the page.
func TestRogueReach(t *testing.T) {
	s := run(t, map[string]string{"PLATFORM_HOSTS": "console.example,under_score"})
	srv := s.serve("evil-srv", func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct{ host, path, scripts, reach, forms string }{
		{"console.example", "/evil/a/b", "console.example/assets/", "console.example/evil/", "console.example/evil/"},
		{"LOCALHOST:1", "/%65vil/", "LOCALHOST:1/assets/", "LOCALHOST:1/evil/", "LOCALHOST:1/evil/"},
		{"127.0.0.1", "/evil@" + srv.Listener.Addr().String() + "/", "127.0.0.1/assets/", "127.0.0.1/evil@" + srv.Listener.Addr().String() + "/", "127.0.0.1/evil@" + srv.Listener.Addr().String() + "/"},
		// A policy has no names for these: no script.
		{"[::1]:8080", "/evil/", "'none'", "'none'", "'self'"},
		{"under_score", "/evil/", "'none'", "'none'", "'self'"},
	} {
		got := s.raw("GET " + tt.path + " HTTP/1.1\r\nHost: " + tt.host + "\r\nConnection: close\r\n\r\n")
		want := "Content-Security-Policy: script-src " + tt.scripts + "; connect-src " + tt.reach + "; form-action " + tt.forms + ";"
		if !strings.Contains(got, want) {
			t.Errorf("%s%s: no %s in\n%s", tt.host, tt.path, want, got)
		}
	}
	if got := s.raw("GET /evil/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "foreign_host") {
		t.Errorf("a foreign host: got\n%s", got)
	}
	if got := s.raw("GET http://localhost HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("no path: got\n%s", got)
	}
}

// TestRogueIPv6: what a policy has no letters for is escaped.
func TestRogueIPv6(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	srv := &http.Server{Handler: ready(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}
	t.Cleanup(func() { _ = srv.Close() })
	go func() { _ = srv.Serve(l) }() // ends with Close
	s := run(t, nil)
	s.register("evil-srv", l.Addr().String())
	got := s.get("/evil@" + l.Addr().String() + "/")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if want := "connect-src " + s.Address("console") + "/evil@%5B::1%5D:" + port + "/;"; !strings.Contains(got.header.Get("Content-Security-Policy"), want) {
		t.Errorf("got %d with %v, want %s", got.status, got.header, want)
	}
}

// TestRogueAddress: an address that a registry has is no word in a policy.
func TestRogueAddress(t *testing.T) {
	s := run(t, nil)
	srv := s.serve("evil-srv", func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost; script-src *", "localhost, script-src *", "localhost script-src *", "user@localhost", "localhost/x", "localhost?"} {
		address := host + ":" + port
		node := &registry.Node{Id: address, Address: address, Metadata: map[string]string{"pages": "/"}}
		if err := s.Registry.Register(&registry.Service{Name: "odd-srv", Version: "1", Nodes: []*registry.Node{node}}); err != nil {
			t.Fatal(err)
		}
	}
	s.await("/", "user@localhost:"+port)
	for _, host := range []string{"localhost; script-src *", "localhost, script-src *", "localhost script-src *", "user@localhost", "localhost?"} {
		got := s.get("/odd@" + url.PathEscape(host+":"+port) + "/")
		if got.status == http.StatusOK {
			t.Errorf("%s: got %d with %v", host, got.status, got.header)
		}
		for _, policy := range got.header.Values("Content-Security-Policy") {
			if strings.Contains(policy, "*") {
				t.Errorf("%s: the policy is %s", host, policy)
			}
		}
	}
}

// TestRogueAnswer: what is no answer of a page is not passed on, and the console goes on.
func TestRogueAnswer(t *testing.T) {
	s := run(t, map[string]string{"PLATFORM_TIMEOUT": "1s"})
	hold := make(chan struct{})
	answers := map[string]http.HandlerFunc{
		"/101":       says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ""),
		"/099":       says("HTTP/1.1 099 Odd\r\n\r\n", ""),
		"/000":       says("HTTP/1.1 000 Odd\r\n\r\n", ""),
		"/multipart": says("HTTP/1.1 200 OK\r\nContent-Type: Multipart/x-mixed-replace; boundary=x\r\nContent-Length: 3\r\n\r\nabc", ""),
		"/headers":   says("HTTP/1.1 200 OK\r\n", "X-Endless: and so on\r\n"),
		"/early":     says("", "HTTP/1.1 103 Early Hints\r\nSet-Cookie: platform_form=evil\r\n\r\n"),
		"/garbage":   says("\x00\x01\x02", "garbage"),
		"/lengths":   says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", ""),
		"/nothing":   says("", ""),
		"/silence":   func(http.ResponseWriter, *http.Request) { <-hold },
	}
	s.serve("evil-srv", func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) })
	t.Cleanup(func() { close(hold) })
	for path, want := range map[string]string{
		"/101": "the answer is no page", "/099": "the answer is no page", "/000": "the answer is no page", "/multipart": "the answer is no page", "/headers": "does not answer",
		"/early": "", "/garbage": "does not answer", "/lengths": "does not answer", "/nothing": "does not answer", "/silence": "does not answer within 3s",
	} {
		got := s.raw("GET /evil" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 50") || !strings.Contains(got, want) || !strings.Contains(got, `href="../assets/style.css`) || strings.Contains(got, "platform_form=evil") {
			t.Errorf("%s: got\n%s", path, got)
		}
	}
	large := url.Values{"value": {strings.Repeat("x", 8<<20)}}
	if got := s.send("/evil/silence", "", large); got.status != http.StatusGatewayTimeout {
		t.Errorf("a form that is not read: got %d", got.status)
	}
	s.has(s.get("/"), http.StatusOK, "evil-srv")
}

// TestRogueAround: of what comes before an answer and behind it, nothing is passed on.
func TestRogueAround(t *testing.T) {
	s := run(t, nil)
	s.serve("evil-srv", says("HTTP/1.1 103 Early Hints\r\nSet-Cookie: platform_form=evil\r\nLink: </evil>; rel=preload\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: evil=1\r\nX-Unannounced: evil\r\n\r\n", ""))
	got := s.raw("GET /evil/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTE: trailers\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK") || !strings.Contains(got, "hello") || strings.Contains(got, "evil=") || strings.Contains(got, "=evil") || strings.Contains(got, "X-Unannounced") || strings.Contains(got, "Link:") ||
		strings.Count(got, "Set-Cookie: platform_form=") != 1 {
		t.Errorf("got\n%s", got)
	}
}

// TestRogueRedirect: behind a redirect a policy says nothing of folders, so none leads out
// of the page's own.
func TestRogueRedirect(t *testing.T) {
	s := run(t, nil)
	var to string
	srv := s.serve("evil-srv", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = strings.Split(to, "\n")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	one := "/evil@" + srv.Listener.Addr().String() + "/"
	for _, in := range []string{"./", "x", "x/../y?a=../b", "?a=b", "/evil/x", "../a/b"} {
		if to = in; s.get("/evil/a/b").header.Get("Location") != in {
			t.Errorf("%s is not passed on", in)
		}
	}
	if to = one + "x"; s.get(one+"a").header.Get("Location") != to {
		t.Errorf("%s is not passed on", to)
	}
	for _, out := range []string{
		"../../", "/", "/kv/", "../../kv/edit", "//evil.example/", "http://evil.example/", "https:evil", "javascript:alert(1)", `\\evil.example`, `/\evil.example`, "%2e%2e/%2e%2e/kv/", "..%2f..%2fkv/",
		"/evil", "/evilish/", "/evil/../kv/", "/evil/%2e%2e/kv/", "x\n/kv/", ":", one, "http://" + s.Address("console") + "/kv/",
	} {
		to = out
		got := s.get("/evil/a/b")
		if got.status != http.StatusServiceUnavailable || got.header.Get("Location") != "" || !strings.Contains(got.body, "a way that leads out of /evil/") {
			t.Errorf("%q: got %d to %q", out, got.status, got.header.Get("Location"))
		}
	}
}

// TestRogueName: no service takes what is the console's, or another's.
func TestRogueName(t *testing.T) {
	s := run(t, nil, kvserver.Service())
	evil := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "evil") }
	for _, name := range []string{"assets-srv", "assets", "console-srv", "-srv", "a.b", "a/b", "../x", "A", "kv", "kv@127.0.0.1"} {
		s.serve(name, evil)
	}
	for _, path := range []string{"/assets/evil/page.js", "/assets/", "/assets/page.js", "/console/", "//", "/a.b/", "/a/b/", "/A/", "/kv/", "/kv@127.0.0.1/", "/"} {
		if got := s.get(path); got.body == "evil" {
			t.Errorf("%s is of a rogue", path)
		}
	}
	s.has(s.get("/kv/"), http.StatusOK, ">Namespaces<", `<a href="../">services</a><a href="../kv/" aria-current="page">kv</a></nav>`)
}

// TestAlias: who registers the address of another service gets none of its pages.
func TestAlias(t *testing.T) {
	s := run(t, nil, kvserver.Service(), echo.Service(&echo.Handler{}))
	s.register("alias-srv", s.Address("kv-srv"))
	s.register("loop-srv", s.Address("console"))
	s.has(s.get("/alias/"), http.StatusForbidden, "this is kv: the registry has its address for &#34;alias&#34;, too")
	s.has(s.get("/alias/keys", "Accept", "text/event-stream"), http.StatusForbidden, "this is kv")
	cookie, token := s.browser("/kv/edit?key=forged")
	s.has(s.send("/alias/edit?key=forged", cookie, url.Values{"token": {token}, "value": {"forged"}, "encoding": {"text"}}), http.StatusForbidden, "this is kv")
	s.has(s.get("/loop/"), http.StatusForbidden, "this is console")
	s.has(s.get("/loop/loop/loop/loop/"), http.StatusForbidden, "would ask itself")
	s.has(s.get("/loop/kv/"), http.StatusForbidden, "would ask itself")
	s.has(s.get("/kv/item?key=forged"), http.StatusNotFound)
}

// TestAsked: of what a browser says, a service hears what pages need.
func TestAsked(t *testing.T) {
	s := run(t, nil)
	seen := make(chan *http.Request, 1)
	srv := s.serve("evil-srv", func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	bad := []string{
		"Authorization", "Proxy-Authorization", "Origin", "Referer", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User", "X-Real-Ip", "X-Original-Url",
		"X-Http-Method-Override", "Micro-Endpoint", "X-Micro-Endpoint", "Traceparent", "Tracestate", "Accept-Encoding", "Te", "Upgrade", page.NavHeader, "X-Anything",
	}
	headers := []string{"Accept", "text/html", "Last-Event-Id", "7", "Sec-Fetch-Site", "same-origin", "User-Agent", "test", "Connection", "Cookie, Upgrade, Platform-Feature"}
	for _, name := range bad {
		value := "evil"
		if name == "Origin" {
			value = s.base
		}
		headers = append(headers, name, value)
	}
	s.get("/evil/x?a=b", headers...)
	r := <-seen
	var got []string
	for name := range r.Header {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"Accept", "Cookie", "Last-Event-Id", page.FeatureHeader, page.NavHeader, "Sec-Fetch-Site", "User-Agent"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Host != srv.Listener.Addr().String() || r.RequestURI != "/x?a=b" || r.Header.Get(page.NavHeader) != "evil" || r.Header.Get(page.FeatureHeader) != "evil" {
		t.Errorf("got %s %s %v", r.Host, r.RequestURI, r.Header)
	}
}

// TestCut: a page that ends too early does not look whole.
func TestCut(t *testing.T) {
	s := run(t, nil)
	s.serve("evil-srv", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""))
	got := s.raw("GET /evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if !strings.Contains(got, "hello") || strings.HasSuffix(got, "0\r\n\r\n") {
		t.Errorf("got\n%s", got)
	}
}

// TestLeft: what has no end ends with who asked for it.
func TestLeft(t *testing.T) {
	s := run(t, nil)
	ended := make(chan error)
	s.serve("evil-srv", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: first\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			ended <- r.Context().Err()
			return
		}
		for {
			if _, err := io.WriteString(w, "endless\n"); err != nil {
				ended <- err
				return
			}
		}
	})
	for _, path := range []string{"/silent", "/endless"} {
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/evil"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		rsp, err := s.transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(rsp.Body).ReadString('\n'); err != nil || line == "" { // although it goes on
			t.Errorf("%s: got %q, %v", path, line, err)
		}
		leave()
		if <-ended == nil {
			t.Errorf("%s: it ends without a reason", path)
		}
		_ = rsp.Body.Close() // it was left
	}
}

// TestNextInstance: where one has died, the next request goes to another, before anybody
// has looked at them again.
func TestNextInstance(t *testing.T) {
	s := run(t, nil)
	answers := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s from %s", b, r.Host)
	}
	servers := []*httptest.Server{s.serve("two-srv", answers), s.serve("two-srv", answers), s.serve("two-srv", answers)}
	slices.SortFunc(servers, func(a, b *httptest.Server) int {
		return strings.Compare(a.Listener.Addr().String(), b.Listener.Addr().String())
	})
	for _, srv := range servers {
		for range 3 {
			form := url.Values{"name": {"value"}}
			s.has(s.get("/two/"), http.StatusOK, " from "+srv.Listener.Addr().String())
			s.has(s.send("/two/", "", form), http.StatusOK, "name=value from "+srv.Listener.Addr().String())
		}
		srv.CloseClientConnections()
		srv.Close()
	}
	got := s.get("/two/")
	s.has(got, http.StatusServiceUnavailable)
	if !strings.Contains(got.body, "answer") {
		t.Errorf("got\n%s", got.body)
	}
}
