package apidocs_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/apidocs"
	"github.com/micro/platform/proto"
)

const docs, openapi = "GET /docs", "GET /openapi.json"

// kv is what the port of kv-srv says of itself.
func kv(t testing.TB) map[string]http.Handler {
	t.Helper()
	return handlers(t, proto.Document, "grpc.health.v1.Health", "micro.kv.v1.KV")
}

func handlers(t testing.TB, document func(string) ([]byte, bool), services ...string) map[string]http.Handler {
	t.Helper()
	all, err := apidocs.Handlers(services, document)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// request asks as a caller of 127.0.0.1:8106 does.
func request(t *testing.T) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Host = "127.0.0.1:8106"
	return r
}

func get(t *testing.T, h http.Handler, r *http.Request) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func TestOpenAPI(t *testing.T) {
	want, _ := proto.Document("micro.kv.v1.KV")
	rsp, got := get(t, kv(t)[openapi], request(t))
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("it is another than that of the contract (-want +got):\n%s", diff)
	}
	if rsp.StatusCode != http.StatusOK || rsp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s, %s", rsp.Status, rsp.Header.Get("Content-Type"))
	}
}

// TestHeaders are those that keep a browser from harm, and that spare it the body.
func TestHeaders(t *testing.T) {
	all := kv(t)
	for path, h := range all {
		rsp, _ := get(t, h, request(t))
		policy := rsp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: got policy %q", path, policy)
		}
		if rsp.Header.Get("X-Content-Type-Options") != "nosniff" || rsp.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got headers %v", path, rsp.Header)
		}
		r := request(t)
		r.Header.Set("If-None-Match", rsp.Header.Get("ETag"))
		if rsp, body := get(t, h, r); rsp.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s, known: got %s with %d bytes", path, rsp.Status, len(body))
		}
	}
	rsp, page := get(t, all[docs], request(t))
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(rsp.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy %q has not %q: no browser would use the style sheet", rsp.Header.Get("Content-Security-Policy"), want)
	}
	other := request(t)
	other.Host = "localhost:8106"
	if got, _ := get(t, all[docs], other); got.Header.Get("ETag") == rsp.Header.Get("ETag") {
		t.Error("two pages have the same tag")
	}
}

// TestNothing: a port without documents has neither path.
func TestNothing(t *testing.T) {
	if got := handlers(t, proto.Document, "greeter.v1.Greeter"); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// TestAnchors: each method, type and field can be linked to, and each link leads there.
func TestAnchors(t *testing.T) {
	_, page := get(t, kv(t)[docs], request(t))
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	for _, m := range regexp.MustCompile(` href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("a link leads to %s, which is not there", m[1])
		}
	}
	text, _ := proto.Document("micro.kv.v1.KV")
	var doc struct {
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for path := range doc.Paths {
		want = append(want, strings.ReplaceAll(strings.TrimPrefix(path, "/micro.kv.v1."), "/", "."))
	}
	for name, s := range doc.Components.Schemas {
		want = append(want, name)
		for field := range s.Properties {
			want = append(want, name+"."+field)
		}
	}
	for _, id := range want {
		if ids[id] == 0 {
			t.Errorf("nothing is called %s", id)
		}
	}
	if len(want) < 100 {
		t.Errorf("%d anchors were looked for, want 100 or more", len(want))
	}
}

// TestPage: the comments of the contract are there, with what they name.
func TestPage(t *testing.T) {
	_, page := get(t, kv(t)[docs], request(t))
	for _, want := range []string{
		"<p>Small shared values under string keys.</p>", `<a href="https://connectrpc.com/docs/protocol">Connect protocol</a>`,
		"<li>A namespace matches [a-z0-9-]{1,63}; empty means &#34;default&#34;.", "<p>Get returns the item under a key, or not_found.</p>",
		`<span class="badge">stream</span>`, `<p>As in <a href="#micro.kv.v1.PutRequest">PutRequest</a>.</p>`,
		"<b>TYPE_EVICT</b>", "<p>An item gave its place to others: the backend was full.</p>", `list of <a href="#micro.kv.v1.Item">Item</a>`,
		"map of string to string", "duration, such as &#34;1.5s&#34;", "uint64 in a string", "bytes in base64", "<b>404</b>", "Connect-Timeout-Ms", "or has the <code>error</code>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has not %q", want)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "ZgotmplZ") {
		t.Error("the page has a script, or what the template refuses")
	}
}

// examples returns the commands of a page.
func examples(page string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?s)<pre><code>(.*?)</code></pre>`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

// TestHost: a host that means something to a shell or a browser is not repeated.
func TestHost(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8106}
	tests := map[string]struct {
		host string
		tls  bool
		want string
	}{
		"an address":        {"127.0.0.1:8106", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"without a port":    {"127.0.0.1", false, "http://127.0.0.1/micro.kv.v1.KV/Get"},
		"a name":            {"kv.example:80", false, "http://kv.example:80/micro.kv.v1.KV/Get"},
		"a name, TLS":       {"kv.example", true, "https://kv.example/micro.kv.v1.KV/Get"},
		"IPv6":              {"[::1]:8106", false, "'http://[::1]:8106/micro.kv.v1.KV/Get'"},
		"IPv6, no port":     {"[::1]", false, "'http://[::1]/micro.kv.v1.KV/Get'"},
		"none":              {"", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"a command":         {"localhost:$(id)", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"a port of letters": {"localhost:http", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"a quote":           {"a'b", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"another command":   {"a;id", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"an option":         {"-oevil", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"a zone":            {"[fe80::1%$(id)]:80", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"markup":            {`"><script>alert(1)</script>`, false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
		"a user":            {"evil@localhost", false, "http://127.0.0.1:8106/micro.kv.v1.KV/Get"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := request(t)
			r.Host = tt.host
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			_, page := get(t, kv(t)[docs], r)
			want := "curl -H 'Content-Type: application/json' \\\n  -d '{\"namespace\":\"default\",\"key\":\"example\"}' \\\n  " + tt.want
			if got := examples(page); len(got) == 0 || got[0] != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// FuzzHost: whatever the host, the example is one call of this service.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost:8106", "[::1]:8106", "a'b", "localhost:$(id)", "-o", "\n", "a\\"} {
		f.Add(host)
	}
	one := regexp.MustCompile(`\n  ('https?://\[[0-9A-Fa-f:.]+\](:[0-9]+)?/micro\.kv\.v1\.KV/Get'|https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/micro\.kv\.v1\.KV/Get)$`)
	page := kv(f)[docs]
	f.Fuzz(func(t *testing.T, host string) {
		r := request(t)
		r.Host = host
		_, text := get(t, page, r)
		if got := examples(text); len(got) == 0 || !one.MatchString(got[0]) {
			t.Errorf("%q: got %q", host, got)
		}
	})
}

// TestMany: a port with services of two packages has one document, of what it serves.
func TestMany(t *testing.T) {
	const text = `{"openapi":"3.0.3","info":{"title":"micro.NAME.v1","version":"v1","description":"About NAME.\n\nShared."},
		"tags":[{"name":"ANAME","description":"First."},{"name":"BNAME","description":"It's <b>50%</b> & \\."}],
		"paths":{
			"/micro.NAME.v1.ANAME/Do":{"post":{"summary":"Does.","requestBody":{"content":{"application/json":{"example":{"z":1},"schema":{"$ref":"#/components/schemas/micro.NAME.v1.R"}}}},"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/micro.NAME.v1.R"}}}}}}},
			"/micro.NAME.v1.BNAME/Go":{"post":{"summary":"Goes.","requestBody":{"content":{"application/connect+json":{"x-message":{"$ref":"#/components/schemas/micro.NAME.v1.R"},"x-message-example":{"s":"it's 5% \\ <"}}}},"responses":{"200":{"content":{"application/connect+json":{"x-message":{"$ref":"#/components/schemas/micro.NAME.v1.R"}}}}}}}},
		"components":{"parameters":{},"responses":{"404":{"description":"not_found: None."}},"schemas":{
			"micro.NAME.v1.R":{"type":"object","properties":{"z":{"type":"integer","format":"int32"},"a":{"allOf":[{"$ref":"#/components/schemas/micro.Shared"}],"description":"Both."}}},
			"micro.Shared":{"type":"object","additionalProperties":true,"properties":{"m":{"type":"object","additionalProperties":{"type":"array","items":{"$ref":"#/components/schemas/micro.Shared"}}}}}}}}`
	document := func(service string) ([]byte, bool) {
		name := strings.Split(service, ".")[1]
		return []byte(strings.ReplaceAll(text, "NAME", name)), name != "none"
	}
	all := handlers(t, document, "micro.y.v1.By", "micro.x.v1.Ax", "micro.none.v1.A")
	_, got := get(t, all[openapi], request(t))
	var doc struct {
		Info       struct{ Title, Description string }
		Tags       []struct{ Name string }
		Paths      map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Info.Title != "micro.x.v1, micro.y.v1" || strings.Count(doc.Info.Description, "Shared.") != 1 || !strings.Contains(doc.Info.Description, "About y.") {
		t.Errorf("got %+v", doc.Info)
	}
	if len(doc.Tags) != 2 || doc.Tags[0].Name != "Ax" || doc.Tags[1].Name != "By" || len(doc.Paths) != 2 || len(doc.Components.Schemas) != 3 {
		t.Errorf("got %+v", doc)
	}
	if strings.Index(got, `"z": {`) > strings.Index(got, `"a": {`) {
		t.Error("the order of the fields is lost")
	}

	_, page := get(t, all[docs], request(t))
	for _, want := range []string{`id="Ax.Do"`, `id="By.Go"`, `id="micro.x.v1.R.z"`, `id="micro.Shared"`, "It&#39;s &lt;b&gt;50%&lt;/b&gt; &amp; \\.", "<b>404</b>", `map of string to list of <a href="#micro.Shared">micro.Shared</a>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has not %q", want)
		}
	}
	// The length is that of the JSON before printf and the shell read it.
	want := `printf '\000\000\000\000\024{"s":"it'\''s 5%% \\\\ <"}' |`
	if got := examples(page); len(got) != 2 || !strings.HasPrefix(got[1], want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWrong: a document that cannot be read ends the start, which names it.
func TestWrong(t *testing.T) {
	for _, text := range []string{"{", `{"paths":{"/micro.x.v1.X/A":1}}`, `{"components":{"schemas":{"A":1}}}`, `{"components":{"responses":{"400":1}}}`} {
		_, err := apidocs.Handlers([]string{"micro.x.v1.X"}, func(string) ([]byte, bool) { return []byte(text), true })
		if err == nil || !strings.Contains(err.Error(), "the OpenAPI document") {
			t.Errorf("%s: got error %v", text, err)
		}
	}
}
