package page

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// askDeregister asks whether an instance is to go.
func askDeregister(ctx context.Context, r *page.Request) (page.Content, error) {
	v, err := look(ctx, r)
	if err == nil && v.Is == nil {
		err = rpcerr.New(codes.NotFound, "discovery.not_found", "no such instance")
	}
	if err != nil {
		return page.Content{}, err
	}
	at := v.Name.to("instance", ofInstance, v.ID)
	if !v.Seen() {
		v.Form = &page.Form{Action: r.Self(), Submit: "Deregister", Danger: true, Cancel: at, Fields: []page.Field{{Name: fieldReason, Label: "Why"}}}
	}
	return page.Content{Title: "Deregister " + v.ID, Crumbs: append(v.Name.way(), page.Link{Href: at, Text: v.ID}), Data: v}, nil
}

// deregister removes what was confirmed. What became of it stands on its page.
func deregister(ctx context.Context, r *page.Request) (page.Content, error) {
	n := nameOf(r)
	_, err := page.Call[discoverypb.DeregisterResponse](ctx, r, "Registry.Deregister", &discoverypb.DeregisterRequest{
		Namespace: n.Namespace, Service: n.Service, InstanceId: r.Get(ofInstance), Reason: r.Field(fieldReason),
	})
	if rpcerr.Code(err) != codes.InvalidArgument {
		return page.Content{SeeOther: n.ToTimeline()}, err
	}
	c, wrong := askDeregister(ctx, r)
	v, ok := c.Data.(instanceView)
	if wrong != nil || !ok || v.Form == nil {
		return page.Content{}, err
	}
	v.Form.Fields[0].Value = r.Field(fieldReason)
	v.Form.Fail(err)
	c.Status = rpcerr.HTTP(rpcerr.Code(err))
	return c, nil
}
