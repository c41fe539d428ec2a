// Package page serves web pages for people: made on the server, live where script runs,
// all on one layout.
package page

import (
	"context"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

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
