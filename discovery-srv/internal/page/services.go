package page

import (
	"context"
	"time"

	"github.com/micro/platform/internal/page"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// pageSize is how many rows a page has.
const pageSize = 100

// serviceList is a part of the services.
type serviceList struct {
	Node   node
	All    []serviceRow
	Pager  page.Pager
	Find   page.Form
	Chosen bool // they are not all
}

// serviceRow is a service in the list.
type serviceRow struct {
	*discoverypb.ServiceSummary

	Name    name
	Anchor  string
	Changed time.Time
	Age     string // since then
}

func services(ctx context.Context, r *page.Request) (page.Content, error) {
	namespace, prefix := r.Get(inNamespace), r.Get(underPrefix)
	rsp, err := page.Call[discoverypb.ListServicesResponse](ctx, r, "Registry.ListServices", &discoverypb.ListServicesRequest{
		Namespace: namespace, AllNamespaces: namespace == "", Prefix: prefix, PageSize: pageSize, PageToken: r.After(),
	})
	if err != nil {
		return page.Content{}, err
	}
	l := serviceList{
		Node: newNode(rsp.GetState()), Pager: r.Pager(rsp.GetNextPageToken()), Chosen: namespace != "" || prefix != "",
		Find: page.Form{Method: "get", Action: "./", Submit: "Filter", Fields: []page.Field{
			{Name: underPrefix, Label: "Services that begin with", Value: prefix, Code: true},
			{Name: inNamespace, Label: "Namespace, empty for all", Value: namespace},
		}},
	}
	for _, s := range rsp.GetServices() {
		changed := s.GetUpdateTime().AsTime()
		l.All = append(l.All, serviceRow{s, name{s.GetNamespace(), s.GetService()}, anchor("s", s.GetNamespace(), s.GetService()), changed, ago(changed)})
	}
	return page.Content{Title: "Services", Data: l}, nil
}
