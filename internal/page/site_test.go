package page_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// templates are those of a site, by the names of their views.
func templates(own map[string]string) fstest.MapFS {
	var b strings.Builder
	for name, text := range own {
		b.WriteString(`{{define "` + name + `"}}` + text + `{{end}}`)
	}
	return fstest.MapFS{"own.html": {Data: []byte(b.String())}}
}

// serve returns what serves a site.
func serve(t *testing.T, c page.Config, own map[string]string) http.Handler {
	t.Helper()
	c.Feature, c.Title, c.Templates = "test", "Test", templates(own)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s, err := page.New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range s.Handlers() {
		mux.Handle(pattern, h)
	}
	return mux
}

// static is a view that shows data.
func static(name string, data any) page.View {
	return page.View{Name: name, Show: func(context.Context, *page.Request) (page.Content, error) {
		return page.Content{Title: "Title", Data: data}, nil
	}}
}

// ask sends a request and returns the answer and its body.
func ask(t *testing.T, h http.Handler, method, target string, body io.Reader, header map[string]string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func get(t *testing.T, h http.Handler, target string, header map[string]string) (*http.Response, string) {
	t.Helper()
	return ask(t, h, http.MethodGet, target, nil, header)
}

func wantHas(t *testing.T, body string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
}

func wantNot(t *testing.T, body string, all ...string) {
	t.Helper()
	for _, unwanted := range all {
		if strings.Contains(body, unwanted) {
			t.Errorf("%q in:\n%s", unwanted, body)
		}
	}
}

func TestPage(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{
		{Name: "index", Tab: "First", Show: func(context.Context, *page.Request) (page.Content, error) {
			return page.Content{Title: "\u202e<b>", Crumbs: []page.Link{{Href: "javascript:alert(1)", Text: "<i>"}}, Data: "<script>"}, nil
		}},
		{Name: "other", Tab: "Second", Show: static("", nil).Show},
	}}, map[string]string{"index": `<p>{{.Data}}</p>`, "other": ""})
	rsp, body := get(t, h, "/", nil)
	if rsp.StatusCode != http.StatusOK {
		t.Fatalf("got %s", rsp.Status)
	}
	wantHas(t, body, `<title>\u202e&lt;b&gt; · Test</title>`, `<h1><bdi><span class="esc">\u202e</span>&lt;b&gt;</bdi></h1>`, `<p>&lt;script&gt;</p>`,
		`<a href="#ZgotmplZ"><bdi>&lt;i&gt;</bdi></a>`, `<a href="./" aria-current="page">First</a>`, `<a href="other">Second</a>`)
	wantHeader(t, rsp.Header, map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	})
	_, body = get(t, h, "/other?a=b", nil)
	wantHas(t, body, `<a href="./">First</a>`, `<a href="other" aria-current="page">Second</a>`)
	for _, inline := range []string{"<script>", "javascript:", " style=", " onclick="} {
		wantNot(t, body, inline)
	}
}

func wantHeader(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	have := map[string]string{}
	for name := range want {
		have[name] = strings.Join(got.Values(name), "|")
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestMissingTemplate(t *testing.T) {
	view := page.View{Name: "a", Show: static("", nil).Show, Live: page.Every(1), Follow: func(context.Context, *page.Request, func(any) error) error { return nil }}
	for want, own := range map[string]map[string]string{
		`no template "a"`:       {"a.live": "", "a.entry": ""},
		`no template "a.live"`:  {"a": "", "a.entry": ""},
		`no template "a.entry"`: {"a": "", "a.live": ""},
		`function "nothing"`:    {"a": "{{nothing}}"},
	} {
		_, err := page.New(page.Config{Feature: "test", Templates: templates(own), Views: []page.View{view}})
		if err == nil || !strings.Contains(err.Error(), "read the pages of test: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := page.New(page.Config{Feature: "test", Templates: fstest.MapFS{}}); err == nil {
		t.Error("no templates at all: no error")
	}
	own := templates(map[string]string{"a": "", "a.live": "", "a.entry": ""})
	if _, err := page.New(page.Config{Templates: own, Views: []page.View{view, {Name: "file", File: func(context.Context, *page.Request) (page.File, error) { return page.File{}, nil }}}}); err != nil {
		t.Error(err)
	}
}

// TestError: a page says what is the reader's to know; what is not is logged.
func TestError(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
		says   []string
		logged bool
	}{
		"not found":   {rpcerr.New(codes.NotFound, "kv.not_found", "no such <key>"), 404, []string{"no such &lt;key&gt;", "not_found", "kv.not_found"}, false},
		"wrong":       {rpcerr.Invalid("key", "is empty"), 400, []string{"key: is empty", "invalid_argument"}, false},
		"forbidden":   {rpcerr.New(codes.PermissionDenied, "auth.policy", "you may not"), 403, []string{"you may not"}, false},
		"late":        {context.DeadlineExceeded, 504, []string{"deadline_exceeded"}, false},
		"a plain one": {errors.New("open /var/s3cret"), 500, []string{"internal error", "internal"}, true},
		"a fault":     {rpcerr.Fault("kv.broken", errors.New("disk s3cret")), 500, []string{"internal error", "kv.broken"}, true},
		"with cause":  {rpcerr.New(codes.Unavailable, "kv.backend", "it is away").Because(errors.New("dial s3cret")), 503, []string{"it is away"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			fails := func(context.Context, *page.Request) (page.Content, error) {
				return page.Content{Title: "s3cret"}, tt.err
			}
			h := serve(t, page.Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Views: []page.View{
				{Name: "show", Show: fails}, {Name: "file", File: func(context.Context, *page.Request) (page.File, error) {
					return page.File{Name: "s3cret", Body: []byte("s3cret")}, tt.err
				}},
			}}, map[string]string{"show": ""})
			for _, path := range []string{"/show?a=b", "/file?a=b"} {
				log.Reset()
				rsp, body := get(t, h, path, nil)
				if rsp.StatusCode != tt.status {
					t.Errorf("%s: got %s, want %d", path, rsp.Status, tt.status)
				}
				wantHas(t, body, append(tt.says, "That did not work", `href="`+path[1:]+`"`)...)
				wantNot(t, body, "s3cret")
				wantHeader(t, rsp.Header, map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Content-Disposition": ""})
				if got := strings.Contains(log.String(), "s3cret"); got != tt.logged {
					t.Errorf("%s: logged %t, want %t: %s", path, got, tt.logged, log.String())
				}
			}
		})
	}
}

// TestBrokenTemplate: a template that fails shows nothing of itself, nor half of a page, and
// the browser gets one token.
func TestBrokenTemplate(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{static("show", struct{}{})}}, map[string]string{"show": "begun {{.Data.None}}"})
	rsp, body := get(t, h, "/show", nil)
	if rsp.StatusCode != http.StatusInternalServerError || len(rsp.Cookies()) != 1 {
		t.Errorf("got %s, cookies %v", rsp.Status, rsp.Cookies())
	}
	wantHas(t, body, "internal error")
	wantNot(t, body, "begun", "None")
}

func TestStatusOfContent(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{{Name: "show", Show: func(context.Context, *page.Request) (page.Content, error) {
		return page.Content{Status: http.StatusConflict}, nil
	}}}}, map[string]string{"show": "here"})
	if rsp, body := get(t, h, "/show", nil); rsp.StatusCode != http.StatusConflict || !strings.Contains(body, "here") {
		t.Errorf("got %s", rsp.Status)
	}
}

func TestUnknownPage(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{static("index", nil), static("show", nil)}}, map[string]string{"show": "", "index": ""})
	for _, path := range []string{"/none", "/show/", "/show/more"} {
		if rsp, _ := get(t, h, path, nil); rsp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s", path, rsp.Status)
		}
	}
	if rsp, _ := ask(t, h, http.MethodPost, "/show", strings.NewReader("a=b"), nil); rsp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a form for a page without one: got %s", rsp.Status)
	}
}

func TestFile(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{{Name: "file", File: func(_ context.Context, r *page.Request) (page.File, error) {
		return page.File{Name: r.Get("name"), Body: []byte("<script>")}, nil
	}}}}, nil)
	rsp, body := get(t, h, "/file?name=a%22%3B+b.html", nil)
	if body != "<script>" {
		t.Errorf("got %q", body)
	}
	wantHeader(t, rsp.Header, map[string]string{
		"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="a\"; b.html"`,
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	})
	wantHas(t, rsp.Header.Get("Content-Security-Policy"), "default-src 'none'", "script-src 'none'")
}

// TestNav: what a header says becomes links of the console alone.
func TestNav(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{static("show", nil)}}, map[string]string{"show": ""})
	_, body := get(t, h, "/show", map[string]string{page.NavHeader: "kv test  log"})
	wantHas(t, body, `<a class="brand" href="../">`, `src="../assets/htmx.js?v=`,
		`<nav id="nav" aria-label="Services"><a href="../">services</a><a href="../kv/">kv</a><a href="../test/" aria-current="page">test</a><a href="../log/">log</a></nav>`)
	_, alone := get(t, h, "/show", nil)
	wantHas(t, alone, `<a class="brand" href="./">`, `src="assets/htmx.js?v=`)
	_, most := get(t, h, "/show", map[string]string{page.NavHeader: strings.Repeat("a ", 100)})
	wantHas(t, most, `<a href="../a/">a</a>`)
	token := map[string]string{"Cookie": cookieOf(t, h)}
	_, alone = get(t, h, "/show", token)
	for _, hostile := range []string{"kv <script>", `kv" onclick="x`, "../kv", "kv/..", "javascript:alert(1)", "kv\u202e", "KV", "kv\x00", " ", strings.Repeat("a ", 101)} {
		header := maps.Clone(token)
		header[page.NavHeader] = hostile
		if _, body := get(t, h, "/show", header); body != alone {
			t.Errorf("%q changes the page: %s", hostile, cmp.Diff(alone, body))
		}
	}
}

// cookieOf asks for a page and returns the cookie that comes with it.
func cookieOf(t *testing.T, h http.Handler) string {
	t.Helper()
	rsp, _ := get(t, h, "/show", nil)
	all := rsp.Cookies()
	if len(all) != 1 {
		t.Fatalf("got cookies %v", all)
	}
	return all[0].Name + "=" + all[0].Value
}

func TestNavOfConsole(t *testing.T) {
	s, err := page.New(page.Config{
		Title: "Services", Templates: templates(map[string]string{"index": ""}), Log: slog.New(slog.DiscardHandler), Views: []page.View{static("index", nil)},
		Nav: func(*http.Request) []page.Link { return []page.Link{{Href: "kv/", Text: "kv"}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Fail(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/kv@none/deep/page?a=b", nil), rpcerr.New(codes.NotFound, "none", "no such page"))
	if w.Code != http.StatusNotFound {
		t.Errorf("got %d", w.Code)
	}
	wantHas(t, w.Body.String(), "no such page", `<a class="brand" href="../.././">`, `<a href="../../kv/">kv</a>`, `src="../../assets/page.js?v=`)
}

// TestAddressInPart: an address whose parts cannot all be read is for nothing, not for what
// the others say.
func TestAddressInPart(t *testing.T) {
	asked := 0
	show := func(context.Context, *page.Request) (page.Content, error) {
		asked++
		return page.Content{}, nil
	}
	h := serve(t, page.Config{Views: []page.View{{Name: "show", Show: show, Send: show}}}, map[string]string{"show": ""})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, query := range []string{"?namespace=x&prefix=a;b", "?prefix=%zz", "?%"} {
			rsp, body := ask(t, h, method, "/show"+query, nil, nil)
			if rsp.StatusCode != http.StatusBadRequest || asked > 0 {
				t.Errorf("%s %s: got %s", method, query, rsp.Status)
			}
			wantHas(t, body, "the address of the page cannot be read")
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{page.To("index"), "./"},
		{page.To("item", "key", "", "none"), "item"},
		{page.To("item", "key", "a b&c=\n\x00/\u202e", "empty", ""), "item?key=a+b%26c%3D%0A%00%2F%E2%80%AE"},
		{page.To("index", "a", "b"), "./?a=b"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	got := make(chan [3]string, 1)
	h := serve(t, page.Config{Views: []page.View{{Name: "show", Show: func(_ context.Context, r *page.Request) (page.Content, error) {
		got <- [3]string{r.Self(), r.With("a", "x&y"), r.With("a", "")}
		return page.Content{}, nil
	}}}}, map[string]string{"show": ""})
	get(t, h, "/show?a=1&b=2&after=xyz", nil)
	if diff := cmp.Diff([3]string{"show?a=1&b=2&after=xyz", "show?a=x%26y&b=2", "show?b=2"}, <-got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMisdirected: a page is no other feature's, whoever the console takes it for.
func TestMisdirected(t *testing.T) {
	sent := 0
	view := static("show", nil)
	view.Send = func(context.Context, *page.Request) (page.Content, error) { sent++; return page.Content{}, nil }
	view.Live = page.Every(time.Hour)
	h := serve(t, page.Config{Views: []page.View{view}}, map[string]string{"show": "", "show.live": ""})
	for taken, want := range map[string]int{"": http.StatusOK, "test": http.StatusOK, "other": http.StatusForbidden, "test\t": http.StatusForbidden} {
		header := map[string]string{page.FeatureHeader: taken}
		if rsp, body := get(t, h, "/show", header); rsp.StatusCode != want {
			t.Errorf("%q: got %s\n%s", taken, rsp.Status, body)
		}
	}
	for _, header := range []map[string]string{{page.FeatureHeader: "other"}, {page.FeatureHeader: "other", "Accept": "text/event-stream"}} {
		rsp, body := get(t, h, "/show", header)
		wantHas(t, body, "this is test: the registry has its address for &#34;other&#34;, too")
		wantHeader(t, rsp.Header, map[string]string{"Content-Type": "text/html; charset=utf-8"})
	}
	if rsp, _ := ask(t, h, http.MethodPost, "/show", nil, map[string]string{page.FeatureHeader: "other"}); rsp.StatusCode != http.StatusForbidden || sent > 0 {
		t.Errorf("a form: got %s, sent %d", rsp.Status, sent)
	}
}

// TestFailElsewhere: the page of an error leads back to what was asked for, wherever that is.
func TestFailElsewhere(t *testing.T) {
	s, err := page.New(page.Config{Feature: "test", Title: "Test", Templates: templates(nil), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/kv/": "./", "/kv/a/item?key=b": "item?key=b", "/kv/a:b": "./a:b", "/kv/a%3Fb%25c": "a%3Fb%25c",
	} {
		w := httptest.NewRecorder()
		s.Fail(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil), rpcerr.Invalid("x", "y"))
		wantHas(t, w.Body.String(), `<a href="`+want+`">Try again</a>`)
	}
}
