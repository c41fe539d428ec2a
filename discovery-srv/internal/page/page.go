// Package page shows who is registered, where, and what became of them.
package page

import (
	"cmp"
	"context"
	"embed"
	"io/fs"
	"net/url"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
)

//go:embed templates/*.html
var templates embed.FS

// Config returns the pages, for a host to serve.
func Config() (page.Config, error) {
	own, err := fs.Sub(templates, "templates")
	return page.Config{
		Title:     "Discovery",
		Templates: own,
		Views: []page.View{
			{Name: "index", Show: services, Live: together(servicesChanged, page.Every(often))},
			{Name: "service", Show: service, Live: together(serviceChanged, page.Every(often))},
			{Name: "instance", Show: instance, Send: setStatus, Live: instanceChanged},
			{Name: "deregister", Show: askDeregister, Send: deregister},
			{Name: "timeline", Show: timeline, Live: serviceChanged},
		},
	}, err
}

// often is how long figures of the node may be old, of which no watch tells at once.
const often = 2 * time.Second

// The parameters of pages.
const (
	inNamespace = "namespace"
	underPrefix = "prefix"
	ofService   = "service"
	ofInstance  = "instance"
	inZone      = "zone"
	ofVersion   = "version"
	ofStatus    = "status"
)

// name is that of the service that a page is about.
type name struct{ Namespace, Service string }

func nameOf(r *page.Request) name {
	return name{cmp.Or(r.Get(inNamespace), resource.DefaultNamespace), r.Get(ofService)}
}

func (n name) to(view string, more ...string) string {
	return page.To(view, append([]string{inNamespace, n.Namespace, ofService, n.Service}, more...)...)
}

// ToService is the address of its instances.
func (n name) ToService() string { return n.to("service") }

// ToInstance is the address of one of them.
func (n name) ToInstance(id string) string { return n.to("instance", ofInstance, id) }

// ToTimeline is the address of what happened to them.
func (n name) ToTimeline() string { return n.to("timeline") }

// way leads to what is below a service.
func (n name) way() []page.Link {
	return append(n.above(), page.Link{Href: n.ToService(), Text: n.Service})
}

// above leads to the service.
func (n name) above() []page.Link {
	return []page.Link{{Href: "./", Text: "Services"}, {Href: page.To("index", inNamespace, n.Namespace), Text: n.Namespace}}
}

// anchor tells elements of a page apart for the browser, whose selectors take it as it is.
func anchor(kind string, words ...string) string {
	for _, w := range words {
		kind += "-" + url.QueryEscape(w)
	}
	return kind
}

// missing tells that what was asked for is not there: no other error means that.
func missing(err error) bool { return rpcerr.Code(err) == codes.NotFound }

// live is the Live of a view.
type live = func(ctx context.Context, r *page.Request, changed func()) error
