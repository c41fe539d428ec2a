// Package page serves web pages for people: made on the server, live where script runs,
// all on one layout.
package page

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// Config is fixed when a Site is made.
type Config struct {
	Feature   string // "kv": where the console has the pages
	Title     string // "Key-value", of the pages together
	Templates fs.FS  // *.html, which define a template for each view
	Views     []View
	Caller    Caller // may be nil, where no view calls
	Log       *slog.Logger

	// Nav returns the links of the console's own pages. nil: those that the console
	// sends along, if it is in front.
	Nav func(*http.Request) []Link
}

// A Caller calls the service that a page belongs to for whoever asked for the page: the
// call meets the checks, the limits and the log that it would meet at any other door.
type Caller interface {
	Call(ctx context.Context, r *http.Request, endpoint string, req, rsp proto.Message) error

	// Stream makes a call of one message that is answered by many. An error of emit
	// ends it.
	Stream(ctx context.Context, r *http.Request, endpoint string, req proto.Message, emit func(proto.Message) error) error
}

// A View is a page, with what can be done on it. All views of a site are in one folder,
// so that relative links work wherever the console has it.
type View struct {
	Name string // its address and its template; "index" is at "/"
	Tab  string // what leads there from every page of the site; "": nothing does

	// Show returns what the page has.
	Show func(ctx context.Context, r *Request) (Content, error)

	// Send does what the page's form asks for, where it has one. Its Content is shown
	// instead of the page, unless it says where to go on.
	Send func(ctx context.Context, r *Request) (Content, error)

	// File is instead of all else for what is to be kept as a file.
	File func(ctx context.Context, r *Request) (File, error)

	// Live makes the page follow: it calls changed when there may be something new,
	// until ctx ends. The template NAME.live, which must be inside of an element with
	// {{.Live}}, is then made again from what Show returns, for all who look at the
	// same page at once.
	Live func(ctx context.Context, r *Request, changed func()) error

	// Follow emits what the template NAME.entry shows, until ctx ends. Entries come
	// into the element with {{.Live}}, each to whoever looks.
	Follow func(ctx context.Context, r *Request, emit func(entry any) error) error
}

// Content is what a view shows.
type Content struct {
	Title  string // of the page, above what its template has
	Crumbs []Link // on the way to the page
	Data   any    // for the template
	Status int    // 0: 200

	// SeeOther is the page to go on with instead, relative to this one; "": none. It
	// is for Send.
	SeeOther string
}

// File is what a browser keeps and does not show.
type File struct {
	Name string
	Body []byte
}

// Link leads to another page.
type Link struct {
	Href, Text string
	Current    bool
}

// Request is what a view is asked for.
type Request struct {
	*http.Request

	site  *Site
	query url.Values
	token string // that the forms of the answer carry; "": not known yet
	order string // that Sort has made
}

// Get returns a parameter of the page's address.
func (r *Request) Get(name string) string { return r.query.Get(name) }

// Field returns a field of the form, in Send. Of a text the lines end as browsers end
// them in every form: with CR and LF.
func (r *Request) Field(name string) string { return r.PostForm.Get(name) }

// Self is the page's own address, relative.
func (r *Request) Self() string { return self(r.URL) }

func self(u *url.URL) string {
	name := (&url.URL{Path: u.Path[strings.LastIndexByte(u.Path, '/')+1:]}).String() // a page that is not there may have any
	if name == "" {
		name = "./"
	}
	if u.RawQuery == "" {
		return name
	}
	return name + "?" + u.RawQuery
}

// With returns the page's own address with one parameter changed, and back at the first
// part of a list. An empty value leaves the parameter out.
func (r *Request) With(name, value string) string {
	q := r.URL.Query()
	q.Del(afterParam)
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	u := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
	return self(&u)
}

// To returns the address of a page of the same site with parameters, which are pairs of
// name and value. An empty value is left out.
func To(view string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if view == index {
		view = "./"
	}
	if len(q) == 0 {
		return view
	}
	return view + "?" + q.Encode()
}

// Call makes a unary call for whoever asked for the page.
func Call[R any, P interface {
	*R
	proto.Message
}](ctx context.Context, r *Request, endpoint string, req proto.Message) (P, error) {
	rsp := P(new(R))
	return rsp, r.site.conf.Caller.Call(ctx, r.Request, endpoint, req, rsp)
}

// Stream makes a call that many messages answer for whoever asked for the page.
func Stream[P proto.Message](ctx context.Context, r *Request, endpoint string, req proto.Message, emit func(P) error) error {
	return r.site.conf.Caller.Stream(ctx, r.Request, endpoint, req, func(m proto.Message) error {
		p, ok := m.(P)
		if !ok {
			return fmt.Errorf("%s answers %T", endpoint, m)
		}
		return emit(p)
	})
}

// index is the view at "/".
const index = "index"

// Site is the pages of one service.
type Site struct {
	conf      Config
	templates *template.Template
	feeds     feeds
	foreign   *http.CrossOriginProtection
}

// New returns a site. An error says which template is wrong.
func New(c Config) (*Site, error) {
	t, err := parse(c.Templates)
	if err != nil {
		return nil, fmt.Errorf("read the pages of %s: %w", c.Feature, err)
	}
	for _, v := range c.Views {
		for _, need := range v.templates() {
			if t.Lookup(need) == nil {
				return nil, fmt.Errorf("read the pages of %s: no template %q", c.Feature, need)
			}
		}
	}
	return &Site{conf: c, templates: t, foreign: http.NewCrossOriginProtection()}, nil
}

func (v View) templates() []string {
	if v.File != nil {
		return nil
	}
	all := []string{v.Name}
	if v.Live != nil {
		all = append(all, v.Name+liveSuffix)
	}
	if v.Follow != nil {
		all = append(all, v.Name+entrySuffix)
	}
	return all
}

// Handlers returns what to serve at which patterns of http.ServeMux.
func (s *Site) Handlers() map[string]http.Handler {
	all := map[string]http.Handler{"GET /assets/{name}": http.HandlerFunc(serveAsset)}
	for _, v := range s.conf.Views {
		path := "/" + v.Name
		if v.Name == index {
			path = "/{$}"
		}
		all["GET "+path] = s.serve(v, s.get)
		if v.File != nil {
			all["GET "+path] = s.serve(v, s.file)
		}
		if v.Send != nil {
			all["POST "+path] = s.serve(v, s.post)
		}
	}
	return all
}

func (s *Site) request(hr *http.Request) *Request {
	return &Request{Request: hr, site: s, query: hr.URL.Query()}
}

// serve refuses an address of which a part cannot be read: without it, another page would
// be shown, or another thing be done.
func (s *Site) serve(v View, answer func(http.ResponseWriter, *Request, View)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := s.request(hr)
		if taken := hr.Header.Get(FeatureHeader); taken != "" && taken != s.conf.Feature {
			s.answer(w, r, v, Content{}, rpcerr.New(codes.PermissionDenied, "misdirected", "this is %s: the registry has its address for %q, too", s.conf.Feature, Cut(taken, 100)))
			return
		}
		if _, err := url.ParseQuery(hr.URL.RawQuery); err != nil {
			s.answer(w, r, v, Content{}, rpcerr.New(codes.InvalidArgument, "address", "the address of the page cannot be read: %v", err))
			return
		}
		answer(w, r, v)
	})
}

func (s *Site) get(w http.ResponseWriter, r *Request, v View) {
	if r.Method == http.MethodGet && r.Header.Get("Accept") == "text/event-stream" && (v.Live != nil || v.Follow != nil) {
		s.events(w, r, v)
		return
	}
	c, err := v.Show(r.Context(), r)
	s.answer(w, r, v, c, err)
}

func (s *Site) post(w http.ResponseWriter, r *Request, v View) {
	if err := s.genuine(w, r); err != nil {
		s.answer(w, r, v, Content{}, err)
		return
	}
	c, err := v.Send(r.Context(), r)
	s.answer(w, r, v, c, err)
}

// Fail shows why something at the address of no view did not work.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	s.answer(w, s.request(r), View{}, Content{}, err)
}

func (s *Site) file(w http.ResponseWriter, r *Request, v View) {
	f, err := v.File(r.Context(), r)
	if err != nil {
		s.answer(w, r, v, Content{}, err)
		return
	}
	h := w.Header()
	Secure(h, "'none'")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(f.Body) // who asked may have left
}

// answer writes a page, where to go on, or the page of an error.
func (s *Site) answer(w http.ResponseWriter, r *Request, v View, c Content, err error) {
	if err == nil && c.SeeOther != "" {
		// Not http.Redirect, which makes the address absolute: the console may be in front.
		w.Header().Set("Location", c.SeeOther)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	var body []byte
	if err == nil {
		body, err = s.page(w, r, v.Name, c)
	}
	if err != nil {
		c, body = s.fault(w, r, err)
	}
	h := w.Header()
	Secure(h, "'self'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if c.Status != 0 {
		w.WriteHeader(c.Status)
	}
	_, _ = w.Write(body) //nolint:gosec // a template has escaped it; who asked may have left
}

// Secure sets what keeps a browser from harm: a page has nothing of another origin, and
// script from where scripts names alone.
func Secure(h http.Header, scripts string) {
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'", "script-src " + scripts, "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// fault is the page of an error.
func (s *Site) fault(w http.ResponseWriter, r *Request, err error) (Content, []byte) {
	s.report(r, err)
	e := known(err)
	c := Content{Title: "That did not work", Status: rpcerr.HTTP(e.Code), Data: e}
	body, err := s.page(w, r, "fault", c)
	if err != nil { // New has tried it
		s.conf.Log.ErrorContext(r.Context(), "page of an error", "error", err)
	}
	return c, body
}

// known returns what to say of an error: nothing of one that was not made for callers.
func known(err error) *rpcerr.Error {
	var own *rpcerr.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return rpcerr.From(err)
	}
	return rpcerr.Fault("page", err)
}

// page makes a whole page.
func (s *Site) page(w http.ResponseWriter, r *Request, name string, c Content) ([]byte, error) {
	if r.token == "" {
		r.token = token(w, r.Request)
	}
	sc := &scope{Request: r, Data: c.Data, Token: r.token}
	main, err := s.part(name, sc)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = s.templates.ExecuteTemplate(&b, "layout", s.frame(r, c, main))
	return b.Bytes(), err
}

// part makes what one template has.
func (s *Site) part(name string, sc *scope) (template.HTML, error) {
	var b bytes.Buffer
	err := s.templates.ExecuteTemplate(&b, name, sc)
	return template.HTML(b.String()), err //nolint:gosec // html/template has escaped it
}

// scope is what a view's templates see.
type scope struct {
	*Request

	Data  any
	Token string // goes into the field "token" of each form
}

// Live makes an element follow: its content comes from NAME.live, or it gets entries.
func (sc *scope) Live() template.HTMLAttr {
	return template.HTMLAttr(`hx-ext="sse,morph" sse-swap="live" hx-swap="morph:innerHTML" sse-connect="` + template.HTMLEscapeString(sc.Self()) + `"`) //nolint:gosec // escaped
}

// Log makes an element get entries, the newest first, and keep the newest of them.
func (sc *scope) Log() template.HTMLAttr {
	return template.HTMLAttr(`hx-ext="sse" sse-swap="entry" sse-close="` + closing + `" hx-swap="afterbegin" data-most="200" sse-connect="` + template.HTMLEscapeString(sc.Self()) + `"`) //nolint:gosec // escaped
}

// frame is what the layout shows.
type frame struct {
	Title, Site string
	Home        string // where the first page of all is
	Assets      string
	Nav, Tabs   []Link
	Crumbs      []Link
	Main        template.HTML
}

func (s *Site) frame(r *Request, c Content, main template.HTML) frame {
	up := strings.Repeat("../", strings.Count(r.URL.Path[1:], "/")) // of a page that is not there
	f := frame{Title: c.Title, Site: s.conf.Title, Home: up + "./", Assets: up + "assets/", Crumbs: c.Crumbs, Main: main}
	if s.conf.Nav != nil {
		f.Nav = s.nav(r, up)
	} else if nav := readNav(r.Header, s.conf.Feature); nav != nil {
		f.Home, f.Assets = "../", "../assets/"
		f.Nav = append([]Link{{f.Home, home, false}}, nav...)
	}
	here := strings.TrimPrefix(r.URL.Path, "/")
	for _, v := range s.conf.Views {
		if v.Tab != "" {
			f.Tabs = append(f.Tabs, Link{To(v.Name), v.Tab, here == v.Name || here == "" && v.Name == index})
		}
	}
	return f
}

// nav is the console's own navigation.
func (s *Site) nav(r *Request, up string) []Link {
	all := []Link{{up + "./", home, true}}
	for _, l := range s.conf.Nav(r.Request) {
		all = append(all, Link{up + l.Href, l.Text, l.Current})
	}
	return all
}

// NavHeader is how the console tells a site which features there are, by their names with
// spaces between them: the site is then below the console's own pages.
const NavHeader = "Platform-Nav"

// FeatureHeader is how the console tells a site which feature it takes it for: an address
// can be registered for others, and what may be done with those be done here.
const FeatureHeader = "Platform-Feature"

// readNav returns the navigation of the console, or nil without one.
func readNav(h http.Header, feature string) []Link {
	names := strings.Fields(h.Get(NavHeader))
	if len(names) == 0 || len(names) > MaxNav {
		return nil
	}
	var all []Link
	for _, name := range names {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil
		}
		all = append(all, Link{"../" + name + "/", name, name == feature})
	}
	return all
}

// MaxNav is how many features a site takes from NavHeader.
const MaxNav = 100

// home is what the console's own pages are called among the features.
const home = "services"

// viewer tells those apart who may see different things.
func viewer(r *http.Request) string {
	said := strings.Join(r.Header.Values("Authorization"), "\n")
	if r.TLS == nil {
		return said
	}
	return said + "\n" + identity(r.TLS)
}

func identity(state *tls.ConnectionState) string {
	if len(state.VerifiedChains) == 0 {
		return ""
	}
	return (&call.Call{Certificate: state.PeerCertificates[0]}).Identity()
}
