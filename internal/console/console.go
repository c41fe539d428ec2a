// Package console puts the pages of all services behind one address, and shows how the
// platform is.
package console

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/setting"
)

//go:embed templates/*.html
var templates embed.FS

const servicesVar = "CONSOLE_SERVICES"

// Service returns the console for a host to run.
func Service() host.Service {
	return host.Service{Name: "console", Port: 8080, Start: start, Settings: []setting.Setting{{
		Name: servicesVar,
		Help: "instances to show besides those in the registry: kv-srv=kv.example:8106,log-srv=10.0.0.7:8107",
	}}}
}

// console is what its pages know.
type console struct {
	fleet     *fleet.Fleet
	creds     credentials.TransportCredentials // to call services with
	contracts contracts
}

func start(_ context.Context, h *host.Host) error {
	static, err := readServices(h.Settings.List(servicesVar))
	if err != nil {
		h.Settings.Fail(servicesVar, "%w", err)
		return nil
	}
	secure := h.Secure()
	c := &console{
		fleet: fleet.New(fleet.Config{Registry: h.Registry, Static: static, Secure: secure, Log: h.Log}),
		creds: insecure.NewCredentials(),
	}
	scheme := "http"
	if secure != nil {
		scheme, c.creds = "https", credentials.NewTLS(secure.Config())
	}
	own, err := fs.Sub(templates, "templates")
	if err != nil {
		return err
	}
	site, err := h.Pages(page.Config{Title: "Console", Templates: own, Nav: c.nav, Views: c.views()})
	if err != nil {
		return err
	}
	p := newProxy(c.fleet, site, scheme, secure)
	p.transport.ResponseHeaderTimeout = h.Settings.Duration("PLATFORM_TIMEOUT") + time.Second // a page has that itself
	h.OnStop(p.close)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		h.Handle(method+" /{feature}/{rest...}", p)
	}
	h.Handle("GET /{feature}", http.HandlerFunc(p.slash))
	h.Go(c.fleet.Run)
	return nil
}

func (c *console) views() []page.View {
	return []page.View{
		{Name: "index", Show: c.overview, Live: c.changes},
		{Name: "service", Show: c.service, Live: c.changes},
		{Name: "call", Show: c.form, Send: c.call},
	}
}

// changes tells of each look at the instances.
func (c *console) changes(ctx context.Context, _ *page.Request, changed func()) error {
	news, release := c.fleet.Watch()
	defer release()
	for {
		select {
		case <-news:
			changed()
		case <-ctx.Done():
			return nil
		}
	}
}

// nav has the services with pages.
func (c *console) nav(*http.Request) []page.Link {
	var all []page.Link
	for _, name := range features(c.fleet.Services()) {
		all = append(all, page.Link{Href: name + "/", Text: name})
	}
	return all
}

// features returns the names, in the console, of services with pages.
func features(all []fleet.Service) []string {
	var names []string
	for _, s := range all {
		if paged(s) {
			names = append(names, feature(s.Name))
		}
	}
	return names
}

// feature is the name of a service in the console: "kv" of "kv-srv".
func feature(service string) string { return strings.TrimSuffix(service, "-srv") }

// paged tells whether a service has pages, other than the console itself. The registry
// has that; of what CONSOLE_SERVICES names it is taken for granted.
func paged(s fleet.Service) bool {
	if s.Name == "console" || feature(s.Name) == "" || strings.Trim(feature(s.Name), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return false
	}
	return slices.ContainsFunc(s.Instances, hasPages)
}

func hasPages(i fleet.Instance) bool { return i.Metadata["pages"] != "" || i.ID == "" }

// readServices reads the elements of CONSOLE_SERVICES.
func readServices(list []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, one := range list {
		name, address, ok := strings.Cut(one, "=")
		host, port, err := net.SplitHostPort(address)
		if !ok || name == "" || err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is not of the form kv-srv=host:port", one)
		}
		all[name] = append(all[name], address)
	}
	return all, nil
}
