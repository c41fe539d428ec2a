// Package console puts the pages of all services behind one address, and shows how the
// platform is.
package console

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/certs"
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
	secure    *certs.Source // to call services with; nil: without TLS
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
		fleet:  fleet.New(fleet.Config{Registry: h.Registry, Static: static, Secure: secure, Log: h.Log}),
		secure: secure,
	}
	own, err := fs.Sub(templates, "templates")
	if err != nil {
		return err
	}
	site, err := h.Pages(page.Config{Title: "Console", Templates: own, Nav: c.nav, Views: c.views()})
	if err != nil {
		return err
	}
	p := newProxy(c.fleet, site, secure, h.Settings.Duration("PLATFORM_TIMEOUT")+dialing, h.Log) // a page has that itself
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

// pages returns the services with pages by their features, and of their instances those
// that have them. Where both kv and kv-srv do, kv-srv is the feature kv.
func pages(all []fleet.Service) map[string]fleet.Service {
	found := map[string]fleet.Service{}
	for _, s := range all { // kv comes before kv-srv
		if !mayHavePages(s.Name) {
			continue
		}
		s.Instances = slices.DeleteFunc(slices.Clone(s.Instances), func(i fleet.Instance) bool { return !hasPages(i) })
		if len(s.Instances) > 0 {
			found[feature(s.Name)] = s
		}
	}
	return found
}

// features returns the names, in the console, of services with pages.
func features(all []fleet.Service) []string { return slices.Sorted(maps.Keys(pages(all))) }

// feature is the name of a service in the console: "kv" of "kv-srv".
func feature(service string) string { return strings.TrimSuffix(service, "-srv") }

// mayHavePages tells whether the console can have pages of a service under its feature:
// it is none of the console's own folders.
func mayHavePages(service string) bool {
	switch name := feature(service); name {
	case "", "console", "assets":
		return false
	default:
		return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
}

// hasPages tells whether an instance has pages. The registry says that; of what
// CONSOLE_SERVICES names it is taken for granted.
func hasPages(i fleet.Instance) bool { return i.Metadata["pages"] != "" || i.ID == "" }

// readServices reads the elements of CONSOLE_SERVICES.
func readServices(list []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, one := range list {
		name, address, ok := strings.Cut(one, "=")
		host, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if !ok || name == "" || err != nil || host == "" || strings.Contains(address, "=") {
			return nil, fmt.Errorf("%q is not of the form kv-srv=host:port", one)
		}
		all[name] = append(all[name], address)
	}
	return all, nil
}
