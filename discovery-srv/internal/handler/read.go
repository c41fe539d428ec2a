package handler

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/check"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// GetService implements discoverypb.RegistryHandler.
func (h *Handler) GetService(ctx context.Context, req *discoverypb.GetServiceRequest, rsp *discoverypb.GetServiceResponse) error {
	if err := h.reads(ctx); err != nil {
		return err
	}
	var c checks
	n, f := c.service(req), c.filter(req.GetFilter())
	list := check.Query{What: "this service and filter", Words: []string{"instances", n.Namespace, n.Service, f.words()}}
	after := c.PageToken(list, req.GetPageToken(), func(string) bool { return true })
	limit := c.PageSize(req.GetPageSize(), maxPage, maxPage)
	if c.Err != nil {
		return c.Err
	}
	room := maxResponse
	known := h.conf.Catalog.Instances(n, after, func(i *discoverypb.Instance) bool {
		if !f.has(i) {
			return true
		}
		room -= proto.Size(i) + 5
		if len(rsp.GetInstances()) == limit || room < 0 && len(rsp.GetInstances()) > 0 {
			rsp.NextPageToken = list.Token(rsp.GetInstances()[len(rsp.GetInstances())-1].GetId())
			return false
		}
		rsp.Instances = append(rsp.Instances, i)
		return true
	})
	if !known {
		return rpcerr.New(codes.NotFound, "discovery.not_found", "no such service")
	}
	rsp.State = h.State()
	return nil
}

// ListServices implements discoverypb.RegistryHandler.
func (h *Handler) ListServices(ctx context.Context, req *discoverypb.ListServicesRequest, rsp *discoverypb.ListServicesResponse) error {
	if err := h.reads(ctx); err != nil {
		return err
	}
	var c checks
	namespace := c.Namespace(req.GetNamespace())
	if req.GetAllNamespaces() {
		if req.GetNamespace() != "" {
			c.Fail("all_namespaces", "true beside namespace %s, want one of them", req.GetNamespace())
		}
		namespace = ""
	}
	prefix := c.Length("prefix", req.GetPrefix(), maxName)
	list := check.Query{What: "these services", Words: []string{"services", namespace, prefix}}
	last := c.PageToken(list, req.GetPageToken(), func(last string) bool { _, ok := split(last); return ok })
	limit := c.PageSize(req.GetPageSize(), maxPage, usualPage)
	if c.Err != nil {
		return c.Err
	}
	after, _ := split(last)
	all, more := h.conf.Catalog.Services(namespace, prefix, after, limit)
	rsp.Services = all
	if more && len(all) > 0 {
		end := all[len(all)-1]
		rsp.NextPageToken = list.Token(end.GetNamespace() + "/" + end.GetService())
	}
	rsp.State = h.State()
	return nil
}

// Timeline implements discoverypb.RegistryHandler. Events that come meanwhile move those of
// later pages, which are never left out.
func (h *Handler) Timeline(_ context.Context, req *discoverypb.TimelineRequest, rsp *discoverypb.TimelineResponse) error {
	var c checks
	n := c.service(req)
	if req.GetInstanceId() != "" {
		c.name("instance_id", req.GetInstanceId())
	}
	list := check.Query{What: "this timeline", Words: []string{"timeline", n.Namespace, n.Service, req.GetInstanceId()}}
	at := c.moment(list, req.GetPageToken())
	limit := c.PageSize(req.GetPageSize(), maxPage, usualPage)
	if c.Err != nil {
		return c.Err
	}
	all := h.conf.Catalog.Timeline(n, req.GetInstanceId())
	if len(all) == 0 {
		return rpcerr.New(codes.NotFound, "discovery.not_found", "nothing is known to have happened there")
	}
	if at != nil {
		next := slices.IndexFunc(all, at.before)
		if next < 0 {
			return nil
		}
		all = all[next:]
	}
	rsp.Events = all[:min(len(all), limit)]
	if len(all) > limit {
		rsp.NextPageToken = list.Token(momentOf(all[limit-1]).String())
	}
	return nil
}

// splits a page token of ListServices.
func split(last string) (n catalog.Name, ok bool) {
	for i := range len(last) {
		if last[i] == '/' {
			return catalog.Name{Namespace: last[:i], Service: last[i+1:]}, true
		}
	}
	return n, false
}
