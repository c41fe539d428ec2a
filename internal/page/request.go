package page

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"
)

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
