package page

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

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
