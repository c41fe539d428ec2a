package console_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// site is a console that has found what runs beside it.
type site struct {
	*hosttest.Platform

	t    *testing.T
	base string

	transport http.RoundTripper
}

// run runs the console beside services, until it has found them.
func run(t *testing.T, env map[string]string, services ...host.Service) *site {
	t.Helper()
	p := hosttest.Run(t, env, append(services, console.Service())...)
	s := &site{Platform: p, t: t, base: "http://" + p.Address("console"), transport: http.DefaultTransport}
	for _, one := range append(services, console.Service()) {
		s.await("/", `href="service?name=`+one.Name+`"`)
	}
	return s
}

// answer is what the console has said.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as it stands. Headers are pairs.
func (s *site) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.URL.Opaque = path // as it stands
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	rsp, err := s.transport.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{rsp.StatusCode, rsp.Header, string(b)}
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.ask(http.MethodGet, path, "", headers...)
}

// await gets a page until it has a part.
func (s *site) await(path, part string) answer {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		got := s.get(path)
		if strings.Contains(got.body, part) {
			return got
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s has no %q:\n%s", path, part, got.body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// has checks an answer.
func (s *site) has(got answer, status int, parts ...string) {
	s.t.Helper()
	if got.status != status {
		s.t.Errorf("got status %d, want %d:\n%s", got.status, status, got.body)
	}
	for _, part := range parts {
		if !strings.Contains(got.body, part) {
			s.t.Errorf("no %q in:\n%s", part, got.body)
		}
	}
}

// browser is the cookie and the token of a page.
func (s *site) browser(path string) (cookie, token string) {
	s.t.Helper()
	got := s.get(path)
	cookie, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	_, rest, _ := strings.Cut(s.get(path, "Cookie", cookie).body, `name="token" value="`)
	token, _, _ = strings.Cut(rest, `"`)
	if cookie == "" || token == "" {
		s.t.Fatalf("%s has no cookie or no token: %v\n%s", path, got.header, got.body)
	}
	return cookie, token
}

// send sends a form as a browser does.
func (s *site) send(path, cookie string, form url.Values, headers ...string) answer {
	s.t.Helper()
	return s.ask(http.MethodPost, path, form.Encode(), append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie, "Sec-Fetch-Site", "same-origin", "Origin", s.base,
	}, headers...)...)
}

func put(t *testing.T, s *site, key, value string) {
	t.Helper()
	if _, err := kvclient.New(s.Client).Put(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func TestFirstPage(t *testing.T) {
	s := run(t, map[string]string{"CONSOLE_SERVICES": "away-srv=127.0.0.1:1"}, kvserver.Service(), echo.Service(&echo.Handler{}))
	got := s.await("/", "away-srv")
	s.has(got, http.StatusOK, "4 services, 4 instances, 3 ready, 1 away", s.Address("kv-srv"), "connection refused", `class="state ready"`, `class="state away"`,
		`href="./kv@`+s.Address("kv-srv")+`/"`)
	if strings.Contains(got.body, `href="echo-srv/"`) {
		t.Error("a service without pages is linked")
	}
	s.has(s.get("/?sort=-state"), http.StatusOK, `aria-sort="descending"`)
	s.has(s.get("/?sort=%3Cscript%3E"), http.StatusOK, "4 services")
	if got := s.get("/?q=refused"); !strings.Contains(got.body, "away-srv") || strings.Contains(got.body, "echo-srv") {
		t.Errorf("a filter leaves:\n%s", got.body)
	}
	s.has(s.get("/?q=nothing"), http.StatusOK, "None of them", `value="nothing"`)
}

func TestSettings(t *testing.T) {
	for value, want := range map[string]string{
		"kv-srv":             `CONSOLE_SERVICES: "kv-srv" is not of the form kv-srv=host:port`,
		"kv-srv=kv.example":  `"kv-srv=kv.example" is not of the form`,
		"=127.0.0.1:1":       "is not of the form",
		"a=b:1,kv-srv=:8106": `"kv-srv=:8106" is not of the form`,
	} {
		env := map[string]string{"CONSOLE_SERVICES": value, "CONSOLE_ADDRESS": "127.0.0.1:0"}
		err := host.Run(t.Context(), host.Process{Getenv: func(n string) string { return env[n] }, Stderr: t.Output(), Registry: registry.NewMemoryRegistry()}, console.Service())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
}

func TestServicePage(t *testing.T) {
	s := run(t, nil, kvserver.Service())
	s.has(s.await("/service?name=kv-srv", "KV.Get"), http.StatusOK, "KV.Watch", "server stream", `&#34;key&#34;:&#34;&#34;`, `id="calls"`, `data-chart="took"`, s.Address("kv-srv"))
	s.has(s.get("/service?name=nobody"), http.StatusNotFound, "no service &#34;nobody&#34; is known now", `href="./assets`[:7])
	s.has(s.get("/service"), http.StatusNotFound, "no service")
}

// TestCall calls methods of each kind.
func TestCall(t *testing.T) {
	s := run(t, nil, kvserver.Service(), echo.Service(&echo.Handler{}))
	put(t, s, "greeting", "hello")
	cookie, token := s.browser("/call?service=kv-srv&method=KV.Get")
	call := func(service, method, request string, more ...string) answer {
		form := url.Values{"token": {token}, "request": {request}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return s.send("/call?service="+service+"&method="+method, cookie, form)
	}
	s.has(s.get("/call?service=kv-srv&method=KV.Get"), http.StatusOK, "&#34;key&#34;: &#34;&#34;", "one that is ready", s.Address("kv-srv"))
	s.has(s.get("/call?service=kv-srv&method=KV.Get&request=%7B%22key%22%3A%22shared%22%7D"), http.StatusOK, "&#34;key&#34;:&#34;shared&#34;")
	s.has(call("kv-srv", "KV.Get", `{"key":"greeting"}`), http.StatusOK, "&#34;value&#34;: &#34;aGVsbG8=&#34;", "From "+s.Address("kv-srv"))
	s.has(call("kv-srv", "KV.Get", `{"key":"greeting"}`, "instance", s.Address("kv-srv")), http.StatusOK, "aGVsbG8=")
	s.has(call("kv-srv", "KV.Get", `{"key":"none"}`), http.StatusOK, "not found", "<code>not_found</code>", "<code>kv.not_found</code>")
	s.has(call("kv-srv", "KV.Get", `{}`), http.StatusOK, "<code>invalid_argument</code>", "<dt>Field</dt><dd><code>key</code>")
	s.has(call("kv-srv", "KV.Get", `{"key":`), http.StatusBadRequest, "request: not JSON", `aria-invalid="true"`, `{&#34;key&#34;:`)
	s.has(call("kv-srv", "KV.Get", `{"nokey":1}`), http.StatusBadRequest, "unknown field")
	s.has(call("kv-srv", "KV.Get", `{} {}`), http.StatusBadRequest, "more than one message")
	s.has(call("kv-srv", "KV.Get", `{"key":"greeting"}`, "instance", "127.0.0.1:1"), http.StatusNotFound, "no instance of kv-srv is at 127.0.0.1:1")
	s.has(call("kv-srv", "KV.Nothing", `{}`), http.StatusNotFound, "kv-srv has no method &#34;KV.Nothing&#34;")
	s.has(call("nobody", "KV.Get", `{}`), http.StatusNotFound, "no service")
	s.has(call("echo-srv", "Echo.Count", `{"count": 3}`), http.StatusOK, "</section>")
	if got := call("echo-srv", "Echo.Count", `{"count": 100000}`); strings.Count(got.body, `aria-label="Message"`) != 100 || !strings.Contains(got.body, "the page has ended the call") {
		t.Errorf("a long stream has %d messages:\n%.2000s", strings.Count(got.body, `aria-label="Message"`), got.body)
	}
	s.has(call("kv-srv", "KV.Watch", `{}`), http.StatusOK, "TYPE_PROGRESS", "The page has ended the stream after 5 s.")
}

// TestProxy has the pages of a service below its name.
func TestProxy(t *testing.T) {
	s := run(t, nil, kvserver.Service())
	put(t, s, "greeting", "hello")
	if got := s.get("/kv"); got.status != http.StatusSeeOther || got.header.Get("Location") != "./kv/" {
		t.Errorf("/kv: got %d %s", got.status, got.header.Get("Location"))
	}
	for _, path := range []string{"/kv/", "/kv@" + s.Address("kv-srv") + "/"} {
		s.has(s.get(path), http.StatusOK, ">Namespaces<", `href="keys?namespace=default"`, `<a href="../">services</a><a href="../kv/" aria-current="page">kv</a>`, `src="../assets/page.js?v=`)
		s.has(s.get(path+"item?key=greeting"), http.StatusOK, "hello")
	}
	cookie, token := s.browser("/kv/edit?key=greeting")
	form := url.Values{"token": {token}, "value": {"edited"}, "encoding": {"text"}, "if_version": {"0"}}
	s.has(s.send("/kv/edit?key=greeting", cookie, form), http.StatusConflict, "Somebody else has written this item")
	got := s.send("/kv/edit?key=new", cookie, form)
	if s.has(got, http.StatusSeeOther); got.header.Get("Location") != "item?key=new&namespace=default" {
		t.Errorf("got %v", got.header)
	}
	s.has(s.get("/kv/item?key=new"), http.StatusOK, "edited")
}

// TestRefused is what no page may ask for.
func TestRefused(t *testing.T) {
	s := run(t, nil, kvserver.Service())
	cookie, token := s.browser("/kv/edit?key=forged")
	form := url.Values{"token": {token}, "value": {"forged"}, "encoding": {"text"}, "if_version": {"0"}}
	without := url.Values{"value": {"forged"}, "encoding": {"text"}, "if_version": {"0"}}
	_, others := s.browser("/call?service=kv-srv&method=KV.Get")
	foreign := url.Values{"token": {others}, "value": {"forged"}, "encoding": {"text"}, "if_version": {"0"}}
	const edit, forms = "/kv/edit?key=forged", "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		got    answer
		status int
		says   string
	}{
		"no token":             {s.send(edit, cookie, without), 403, "was not made for this browser"},
		"no cookie":            {s.ask("POST", edit, form.Encode(), "Content-Type", forms), 403, "was not made for this browser"},
		"token of another":     {s.send(edit, cookie, foreign), 403, "was not made for this browser"},
		"another site":         {s.ask("POST", edit, form.Encode(), "Content-Type", forms, "Cookie", cookie, "Sec-Fetch-Site", "cross-site"), 403, "another origin"},
		"another port":         {s.ask("POST", edit, form.Encode(), "Content-Type", forms, "Cookie", cookie, "Sec-Fetch-Site", "same-site"), 403, "another origin"},
		"another origin":       {s.ask("POST", edit, form.Encode(), "Content-Type", forms, "Cookie", cookie, "Origin", "http://evil.example"), 403, "foreign_origin"},
		"null origin":          {s.ask("POST", edit, form.Encode(), "Content-Type", forms, "Cookie", cookie, "Origin", "null"), 403, "foreign_origin"},
		"JSON":                 {s.ask("POST", "/kv/micro.kv.v1.KV/Put", `{"key":"forged"}`, "Content-Type", "application/json"), 400, "only forms are passed on"},
		"no type":              {s.ask("POST", edit, form.Encode()), 400, "only forms are passed on"},
		"go-micro RPC":         {s.ask("POST", "/kv/", "", "Content-Type", "application/protobuf", "Micro-Endpoint", "KV.Get"), 400, "only forms are passed on"},
		"PUT":                  {s.ask("PUT", edit, ""), 404, "no such method or page"},
		"climbing":             {s.get("/kv/../metrics"), 400, "segment of dots"},
		"climbing, encoded":    {s.get("/kv/%2e%2e/metrics"), 400, "segment of dots"},
		"climbing, slash":      {s.get("/kv/..%2fmetrics"), 400, "encoded slash"},
		"climbing, backslash":  {s.get(`/kv/..%5cmetrics`), 400, "backslash"},
		"climbing, twice":      {s.get("/kv/%252e%252e/metrics"), 404, ""},
		"empty segment":        {s.get("/kv//metrics"), 400, "empty segment"},
		"NUL":                  {s.get("/kv/%00"), 400, "NUL"},
		"no such service":      {s.get("/nobody/"), 404, "no service"},
		"no such instance":     {s.get("/kv@169.254.169.254:80/latest/meta-data"), 404, "no instance of kv-srv"},
		"the console's port":   {s.get("/kv@" + s.Address("console") + "/"), 404, "no instance of kv-srv"},
		"user in the instance": {s.get("/kv@" + s.Address("kv-srv") + "@evil.example/"), 404, "no instance of kv-srv"},
		"console in itself":    {s.get("/console/"), 404, "no service"},
	} {
		if tt.got.status != tt.status || !strings.Contains(tt.got.body, tt.says) {
			t.Errorf("%s: got %d, want %d and %q:\n%s", name, tt.got.status, tt.status, tt.says, tt.got.body)
		}
	}
	s.has(s.get("/kv/item?key=forged"), http.StatusNotFound)
}

// rogue is a service that serves what it should not.
func rogue(name string, seen chan<- http.Header) host.Service {
	return host.Service{Name: name, Start: func(_ context.Context, h *host.Host) error {
		if _, err := h.Pages(page.Config{Title: name, Templates: fstest.MapFS{"none.html": &fstest.MapFile{}}}); err != nil {
			return err
		}
		h.Handle("GET /evil", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header
			w.Header().Set("Set-Cookie", "platform_form=mine")
			w.Header().Set("Service-Worker-Allowed", "/")
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<script>alert(1)</script><script src="evil.js"></script>`)
		}))
		h.Handle("POST /evil", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
		h.Handle("GET /switch", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}))
		h.Handle("GET /cut", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		return nil
	}}
}

// TestRogue: a service is trusted with no more than its own.
func TestRogue(t *testing.T) {
	seen := make(chan http.Header, 1)
	s := run(t, nil, rogue("one-srv", seen), rogue("two-srv", seen))
	got := s.get("/one/evil", "Authorization", "Bearer secret", "Cookie", "other=secret", "X-Forwarded-For", "10.0.0.1", page.NavHeader, "evil", "Origin", s.base)
	h := <-seen
	for _, name := range []string{"Authorization", "X-Forwarded-For", "Origin", "Referer", "Forwarded"} {
		if h.Get(name) != "" {
			t.Errorf("it has seen %s: %s", name, h.Get(name))
		}
	}
	if nav := h.Get(page.NavHeader); nav != "one two" {
		t.Errorf("it is told of %q", nav)
	}
	if strings.Contains(h.Get("Cookie"), "other") {
		t.Errorf("it has seen the cookies %s", h.Get("Cookie"))
	}
	if got := got.header.Get("Service-Worker-Allowed"); got != "" {
		t.Errorf("it has set Service-Worker-Allowed: %s", got)
	}
	session := got.header.Values("Set-Cookie")
	if len(session) != 1 || strings.Contains(session[0], "mine") {
		t.Errorf("the cookies are %q", session)
	}
	policy := strings.Join(got.header.Values("Content-Security-Policy"), ", ")
	if want := "script-src " + s.Address("console") + "/assets/; connect-src " + s.Address("console") + "/one/;"; !strings.Contains(policy, want) {
		t.Errorf("the policy is %s, want %s", policy, want)
	}

	cookie, _, _ := strings.Cut(session[0], ";")
	tokens := map[string]bool{cookie: true}
	for _, path := range []string{"/one/evil", "/two/evil"} {
		s.get(path, "Cookie", cookie)
		tokens[(<-seen).Get("Cookie")] = true
	}
	if len(tokens) != 3 {
		t.Errorf("the session and the tokens of two services are %v, want three", tokens)
	}
	if got := s.get("/one/switch", "Upgrade", "websocket", "Connection", "Upgrade"); got.status != http.StatusServiceUnavailable && got.status != http.StatusBadGateway {
		t.Errorf("a switch of protocols: got %d", got.status)
	}
	s.has(s.get("/one/cut"), http.StatusServiceUnavailable, "does not answer")
	s.has(s.get("/"), http.StatusOK, "3 services")
}
