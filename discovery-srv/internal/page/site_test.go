package page_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

type htmlNode = html.Node

// patience is for what should take no time at all.
const patience = 20 * time.Second

// site is the pages of a discovery-srv, and a browser that looks at them.
type site struct {
	base string
	http http.Client

	registry discoverypb.RegistryService
}

func open(t *testing.T) *site {
	t.Helper()
	return of(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
}

func of(t *testing.T, env map[string]string, service host.Service) *site {
	t.Helper()
	p := hosttest.Run(t, env, service)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{registry: discoverypb.NewRegistryService("discovery-srv", p.Client), base: "http://" + p.Address("discovery-srv") + "/"}
	s.http = http.Client{Jar: jar, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// answer is a page as a browser has it.
type answer struct {
	status int
	header http.Header
	body   string
	doc    *html.Node
	at     string // relative to the site
}

func (s *site) do(t *testing.T, method, at string, body io.Reader, contentType string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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

func (s *site) get(t *testing.T, at string) *answer {
	t.Helper()
	return s.do(t, http.MethodGet, at, nil, "")
}

// show asks for a page that must be there.
func (s *site) show(t *testing.T, at string) *answer {
	t.Helper()
	a := s.get(t, at)
	if a.status != http.StatusOK {
		t.Fatalf("%s: got %d:\n%s", at, a.status, a.text())
	}
	return a
}

// submit sends the form of a page as browsers do, with some fields changed.
func (s *site) submit(t *testing.T, a *answer, changes map[string]string) *answer {
	t.Helper()
	fields := a.fields()
	for name, value := range changes {
		if _, ok := fields[name]; !ok {
			t.Fatalf("%s: no field %q in %v", a.at, name, fields)
		}
		fields[name] = value
	}
	return s.send(t, a.action(), fields)
}

// send sends a form, with the token of the browser unless it has one.
func (s *site) send(t *testing.T, at string, fields map[string]string) *answer {
	t.Helper()
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range s.http.Jar.Cookies(base) {
		all["token"] = c.Value
	}
	maps.Copy(all, fields)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range all {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s.do(t, http.MethodPost, at, &b, w.FormDataContentType())
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
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "input" || n.Data == "select" }) {
		all[attribute(n, "name")] = attribute(n, "value")
		for o := range n.Descendants() {
			if slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
				all[attribute(n, "name")] = attribute(o, "value")
			}
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

// to are the links of a page that begin so.
func (a *answer) to(prefix string) []string {
	var all []string
	for _, n := range a.all(func(n *html.Node) bool { return n.Data == "a" && strings.HasPrefix(attribute(n, "href"), prefix) }) {
		all = append(all, attribute(n, "href"))
	}
	return all
}

// rows are the cells of the page's tables.
func (a *answer) rows() [][]string {
	var all [][]string
	for _, tr := range a.all(func(n *html.Node) bool { return n.Data == "tr" }) {
		var row []string
		for c := range tr.ChildNodes() {
			if c.Data == "td" {
				row = append(row, inside(c))
			}
		}
		if row != nil {
			all = append(all, row)
		}
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

func wantHas(t *testing.T, a *answer, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(a.text(), want) {
			t.Errorf("%s: no %q in:\n%s", a.at, want, a.text())
		}
	}
}

func wantStatus(t *testing.T, a *answer, want int) {
	t.Helper()
	if a.status != want {
		t.Fatalf("%s: got %d, want %d:\n%s", a.at, a.status, want, a.text())
	}
}
