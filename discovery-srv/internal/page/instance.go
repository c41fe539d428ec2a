package page

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// shown is an instance in words.
type shown struct {
	*discoverypb.Instance

	Name   name
	Anchor string
	Said   said
	Known  string // how the node knows of it
	Lives  string // without a renewal; "": as long as somebody else says
}

func show(n name, i *discoverypb.Instance) shown {
	s := shown{Instance: i, Name: n, Anchor: anchor("i", i.GetId()), Said: statusOf(i)}
	switch i.GetSource() {
	case discoverypb.Source_SOURCE_LEASE:
		s.Known = "lease"
	case discoverypb.Source_SOURCE_PEER:
		s.Known = "another node"
	case discoverypb.Source_SOURCE_SEEN:
		s.Known = "seen"
	case discoverypb.Source_SOURCE_UNSPECIFIED:
		s.Known = "not told"
	}
	if i.GetTtl() != nil {
		s.Lives = i.GetTtl().AsDuration().String()
	}
	return s
}

// pair is one of metadata.
type pair struct{ Name, Value string }

func pairs(m map[string]string) []pair {
	all := make([]pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, pair{name, m[name]})
	}
	return all
}

// Own is the metadata of the instance.
func (s shown) Own() []pair { return pairs(s.GetMetadata()) }

// Shared is the metadata of the service.
func (s shown) Shared() []pair { return pairs(s.GetServiceMetadata()) }

// instanceView is an instance, with what became of it.
type instanceView struct {
	Name   name
	ID     string
	Node   node
	Is     *shown // nil: it is not there
	Events []eventRow
	Form   *page.Form // by which an operator sets its status; nil: it cannot
}

// instance that is not there is not found, and its page has what became of it.
func instance(ctx context.Context, r *page.Request) (page.Content, error) {
	v, err := look(ctx, r)
	c := page.Content{Title: v.ID, Crumbs: v.Name.way()}
	if err != nil {
		return c, err
	}
	if v.Is == nil {
		c.Status = http.StatusNotFound
	} else {
		v.Form = statusForm(r, v.Is.Instance)
	}
	v.Events, err = v.events(ctx, r)
	c.Data = v
	return c, err
}

// look finds the instance that the page is about.
func look(ctx context.Context, r *page.Request) (instanceView, error) {
	v := instanceView{Name: nameOf(r), ID: r.Get(ofInstance)}
	if v.ID == "" {
		return v, rpcerr.Invalid(ofInstance, "missing, want its ID")
	}
	i, state, err := find(ctx, r, v.Name, v.ID)
	v.Node = newNode(state)
	if i != nil {
		is := show(v.Name, i)
		v.Is = &is
	}
	return v, err
}

// find returns nil for an instance that is not there.
func find(ctx context.Context, r *page.Request, n name, id string) (*discoverypb.Instance, *discoverypb.NodeState, error) {
	rsp, err := page.Call[discoverypb.GetServiceResponse](ctx, r, "Registry.GetService", &discoverypb.GetServiceRequest{
		Namespace: n.Namespace, Service: n.Service, Filter: &discoverypb.Filter{InstanceIds: []string{id}},
	})
	if missing(err) {
		return nil, nil, nil
	}
	if err != nil || len(rsp.GetInstances()) == 0 {
		return nil, rsp.GetState(), err
	}
	return rsp.GetInstances()[0], rsp.GetState(), nil
}

func (v instanceView) events(ctx context.Context, r *page.Request) ([]eventRow, error) {
	rsp, err := page.Call[discoverypb.TimelineResponse](ctx, r, "Registry.Timeline", &discoverypb.TimelineRequest{
		Namespace: v.Name.Namespace, Service: v.Name.Service, InstanceId: v.ID,
	})
	if missing(err) {
		return nil, nil
	}
	return rows(v.Name, rsp.GetEvents()), err
}

// Seen tells of an instance that the node cannot remove.
func (v instanceView) Seen() bool {
	return v.Is != nil && v.Is.GetSource() == discoverypb.Source_SOURCE_SEEN
}

// ToDeregister is where an operator removes it.
func (v instanceView) ToDeregister() string { return v.Name.to("deregister", ofInstance, v.ID) }

const fieldReason = "reason"

// statusForm offers what an operator is likely to want next.
func statusForm(r *page.Request, i *discoverypb.Instance) *page.Form {
	next := param(draining)
	if i.GetOperatorStatus() != unsaid {
		next = takeBack
	}
	return &page.Form{Action: r.Self(), Submit: "Set", Fields: []page.Field{{
		Name: ofStatus, Label: "As an operator", Kind: "select", Value: next, Options: []page.Option{
			{Value: param(draining), Text: "Drain: no new calls while there is another"},
			{Value: param(outOfService), Text: "Out of service: no calls"},
			{Value: param(up), Text: "Up, whatever it says itself"},
			{Value: takeBack, Text: "Take back: what it says itself counts"},
		},
	}, {Name: fieldReason, Label: "Why"}}}
}

// setStatus does what the form asks for.
func setStatus(ctx context.Context, r *page.Request) (page.Content, error) {
	n := nameOf(r)
	status, err := parseStatus(r.Field(ofStatus))
	if err == nil {
		_, err = page.Call[discoverypb.SetStatusResponse](ctx, r, "Registry.SetStatus", &discoverypb.SetStatusRequest{
			Namespace: n.Namespace, Service: n.Service, InstanceId: r.Get(ofInstance), Status: status, Reason: r.Field(fieldReason),
		})
	}
	if err == nil {
		return page.Content{SeeOther: r.Self()}, nil
	}
	c, wrong := instance(ctx, r)
	v, ok := c.Data.(instanceView)
	if wrong != nil || !ok || v.Form == nil {
		return page.Content{}, err
	}
	for i := range v.Form.Fields {
		v.Form.Fields[i].Value = r.Field(v.Form.Fields[i].Name)
	}
	if !v.Form.Fail(err) {
		return page.Content{}, err
	}
	c.Status = rpcerr.HTTP(rpcerr.Code(err))
	return c, nil
}
