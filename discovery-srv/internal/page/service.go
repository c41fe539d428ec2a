package page

import (
	"context"
	"net/http"
	"slices"

	"github.com/micro/platform/internal/page"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// instanceList is a part of the instances of a service.
type instanceList struct {
	Name   name
	Node   node
	Facets []facet
	All    []shown
	Pager  page.Pager
	Gone   bool // the service has no instances at all
}

// facet is what instances are chosen by.
type facet struct {
	Name  string
	Links []page.Link
}

// service of which nothing is there is not found, and its page leads to what was.
func service(ctx context.Context, r *page.Request) (page.Content, error) {
	n := nameOf(r)
	c := page.Content{Title: n.Service, Crumbs: n.above()}
	filter, err := filterOf(r)
	if err != nil {
		return c, err
	}
	rsp, err := page.Call[discoverypb.GetServiceResponse](ctx, r, "Registry.GetService", &discoverypb.GetServiceRequest{
		Namespace: n.Namespace, Service: n.Service, Filter: filter, PageSize: pageSize, PageToken: r.After(),
	})
	if missing(err) {
		c.Status, c.Data = http.StatusNotFound, instanceList{Name: n, Gone: true}
		return c, nil
	}
	if err != nil {
		return c, err
	}
	sum, err := summary(ctx, r, n)
	l := instanceList{Name: n, Node: newNode(rsp.GetState()), Facets: facets(r, sum), Pager: r.Pager(rsp.GetNextPageToken())}
	for _, i := range rsp.GetInstances() {
		l.All = append(l.All, show(n, i))
	}
	c.Data = l
	return c, err
}

// summary is nil if the service has gone meanwhile.
func summary(ctx context.Context, r *page.Request, n name) (*discoverypb.ServiceSummary, error) {
	rsp, err := page.Call[discoverypb.ListServicesResponse](ctx, r, "Registry.ListServices", &discoverypb.ListServicesRequest{
		Namespace: n.Namespace, Prefix: n.Service, PageSize: 1,
	})
	if err != nil || len(rsp.GetServices()) == 0 || rsp.GetServices()[0].GetService() != n.Service {
		return nil, err
	}
	return rsp.GetServices()[0], nil
}

func filterOf(r *page.Request) (*discoverypb.Filter, error) {
	f := &discoverypb.Filter{}
	if zone := r.Get(inZone); zone != "" {
		f.Zones = []string{zone}
	}
	if version := r.Get(ofVersion); version != "" {
		f.Versions = []string{version}
	}
	if word := r.Get(ofStatus); word != "" {
		status, err := parseStatus(word)
		if err != nil {
			return nil, err
		}
		f.Statuses = []discoverypb.Status{status}
	}
	return f, nil
}

// facets lead to instances with one status, zone or version.
func facets(r *page.Request, sum *discoverypb.ServiceSummary) []facet {
	status := facet{"Status", []page.Link{anything(r, ofStatus)}}
	for _, one := range []struct {
		status discoverypb.Status
		of     int32
	}{{up, sum.GetUp()}, {draining, sum.GetDraining()}, {outOfService, sum.GetOutOfService()}} {
		says, _ := inWords(one.status)
		status.Links = append(status.Links, page.Link{
			Href: r.With(ofStatus, param(one.status)), Text: says + " " + page.Count(int64(one.of)), Current: r.Get(ofStatus) == param(one.status),
		})
	}
	all := []facet{status}
	for _, one := range []struct {
		name, asked string
		words       []string
	}{{"Zone", inZone, sum.GetZones()}, {"Version", ofVersion, sum.GetVersions()}} {
		if f := words(r, one.name, one.asked, one.words); len(f.Links) > 1 {
			all = append(all, f)
		}
	}
	return all
}

// words has also what was asked for and is not there, or not among the first.
func words(r *page.Request, name, asked string, all []string) facet {
	f := facet{name, []page.Link{anything(r, asked)}}
	if wish := r.Get(asked); wish != "" && !slices.Contains(all, wish) {
		all = append(slices.Clone(all), wish)
	}
	for _, w := range all {
		if w != "" {
			f.Links = append(f.Links, page.Link{Href: r.With(asked, w), Text: w, Current: r.Get(asked) == w})
		}
	}
	return f
}

func anything(r *page.Request, asked string) page.Link {
	return page.Link{Href: r.With(asked, ""), Text: "any", Current: r.Get(asked) == ""}
}
