package page_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

type htmlNode = html.Node

// patience is for what should take no time at all.
const patience = 20 * time.Second

// site is the pages of a kv-srv, and a browser that looks at them.
type site struct {
	t    *testing.T
	kv   kvpb.KVService
	base string
	http http.Client
}

func open(t *testing.T, env map[string]string) *site {
	t.Helper()
	return of(t, env, kvserver.Service())
}

func of(t *testing.T, env map[string]string, service host.Service) *site {
	t.Helper()
	return pages(t, hosttest.Run(t, env, service))
}

// pages are those of the kv-srv of p.
func pages(t *testing.T, p *hosttest.Platform) *site {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, kv: kvpb.NewKVService("kv-srv", p.Client), base: "http://" + p.Address("kv-srv") + "/"}
	s.http = http.Client{Jar: jar, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// fatal is a *testing.T or a *rapid.T.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// answer is a page as a browser has it.
type answer struct {
	status int
	header http.Header
	body   string
	doc    *html.Node
	at     string // relative to the site
}

func (s *site) do(t fatal, method, at string, body io.Reader, contentType string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+strings.TrimPrefix(at, "./"), body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rsp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return &answer{rsp.StatusCode, rsp.Header, string(b), doc, at}
}

func (s *site) get(t fatal, at string) *answer {
	t.Helper()
	return s.do(t, http.MethodGet, at, nil, "")
}

// show asks for a page that must be there.
func (s *site) show(t fatal, at string) *answer {
	t.Helper()
	a := s.get(t, at)
	if a.status != http.StatusOK {
		t.Fatalf("%s: got %d:\n%s", at, a.status, a.text())
	}
	return a
}

// file is what somebody chooses in a form.
type file struct{ name, content string }

// submit sends the form of a page as browsers do, with some fields changed.
func (s *site) submit(t fatal, a *answer, changes map[string]string, files ...file) *answer {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fields := a.fields()
	for name, value := range changes {
		if _, ok := fields[name]; !ok {
			t.Fatalf("%s: no field %q in %v", a.at, name, fields)
		}
		fields[name] = value
	}
	err := errors.New("no form")
	for name, value := range fields {
		if name == "file" {
			one := append(files, file{})[0]
			var part io.Writer
			if part, err = w.CreateFormFile(name, one.name); err == nil {
				_, err = part.Write([]byte(one.content))
			}
		} else {
			err = w.WriteField(name, strings.ReplaceAll(unix(value), "\n", "\r\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatalf("%s: %v", a.at, err)
	}
	return s.do(t, http.MethodPost, a.action(), &b, w.FormDataContentType())
}

func unix(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// all returns the elements of a page that are such.
func (a *answer) all(such func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for n := range a.doc.Descendants() {
		if n.Type == html.ElementNode && such(n) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func inside(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// fields are those of the page's form, with what a browser has in them.
func (a *answer) fields() map[string]string {
	all := map[string]string{}
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "input" || n.Data == "textarea" }) {
		all[attribute(n, "name")] = attribute(n, "value")
		if n.Data == "textarea" {
			all[attribute(n, "name")] = inside(n)
		}
	}
	return all
}

// action is where the form is sent to.
func (a *answer) action() string {
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "form" }) {
		return attribute(n, "action")
	}
	return ""
}

// links are those of a page, by what they say.
func (a *answer) links() map[string]string {
	all := map[string]string{}
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "a" }) {
		all[inside(n)] = attribute(n, "href")
	}
	return all
}

// text is what a reader sees of a page's content.
func (a *answer) text() string {
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "main" }) {
		return inside(n)
	}
	return a.body
}

func wantHas(t fatal, a *answer, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(a.text(), want) {
			t.Errorf("%s: no %q in:\n%s", a.at, want, a.text())
		}
	}
}

func wantStatus(t fatal, a *answer, want int) {
	t.Helper()
	if a.status != want {
		t.Fatalf("%s: got %d, want %d:\n%s", a.at, a.status, want, a.text())
	}
}

// item is an address of a page about a key.
func item(view, key string, more ...string) string {
	q := url.Values{"namespace": {"default"}, "key": {key}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return view + "?" + q.Encode()
}

func (s *site) put(t fatal, req *kvpb.PutRequest) uint64 {
	t.Helper()
	rsp, err := s.kv.Put(s.t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return rsp.GetVersion()
}

func (s *site) text(t fatal, key, value string) {
	t.Helper()
	s.put(t, &kvpb.PutRequest{Key: key, Value: []byte(value)})
}

func (s *site) item(t fatal, key string) *kvpb.Item {
	t.Helper()
	rsp, err := s.kv.Get(s.t.Context(), &kvpb.GetRequest{Key: key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return rsp.GetItem()
}

func (s *site) wantValue(t fatal, key, want string) {
	t.Helper()
	if got := string(s.item(t, key).GetValue()); got != want {
		t.Errorf("%q is %.100q, want %.100q", key, got, want)
	}
}

func (s *site) wantNone(t fatal, key string) {
	t.Helper()
	if rsp, err := s.kv.Get(s.t.Context(), &kvpb.GetRequest{Key: key}); err == nil {
		t.Errorf("%q is there: %v", key, rsp)
	}
}
