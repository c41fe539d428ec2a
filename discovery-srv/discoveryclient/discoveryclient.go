package discoveryclient

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/internal/reach"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Client calls the service. Its methods may be called at once. A call ends with its
// context, or after five seconds if that has no deadline.
//
// Calls that may be made twice are made again, up to three times at each node, when the
// service cannot be reached or a connection breaks: all but Deregister. What one node cannot
// do, or leaves to others, is tried there. A node that does not answer in time is left.
type Client struct {
	nodes     *nodes
	namespace string
	silence   time.Duration // that a watch waits for a message
}

// Option changes a Client.
type Option func(*Client)

// WithNamespace keeps to the services of one namespace. Without it that is "default".
func WithNamespace(name string) Option { return func(c *Client) { c.namespace = name } }

// WithAddress calls one of some addresses, host:port, instead of asking the registry: the
// first one for as long as it answers, then the next.
func WithAddress(addresses ...string) Option {
	return func(c *Client) { c.nodes.addresses = append(c.nodes.addresses, addresses...) }
}

// New returns a client that calls through c, such as the Client of a micro.Service. It
// does no I/O.
func New(c client.Client, opts ...Option) *Client {
	d := &Client{nodes: newNodes(c, slog.New(slog.DiscardHandler)), silence: reach.Silence}
	d.nodes.chosen = true
	for _, o := range opts {
		o(d)
	}
	return d
}

// GetService returns the instances of a service that the options choose, whatever their
// status unless WithStatuses says otherwise, ordered by their IDs. It is ErrNotFound if the
// service has none at all. It reads page after page, so what changes meanwhile may show or
// not.
func (c *Client) GetService(ctx context.Context, service string, opts ...GetOption) ([]Instance, error) {
	g := getting{filter: &discoverypb.Filter{}}
	for _, o := range opts {
		o.get(&g)
	}
	var all []Instance
	req := &discoverypb.GetServiceRequest{Namespace: c.namespace, Service: service, Filter: g.filter, PageSize: pageSize}
	for first := true; ; first = false {
		rsp, err := ask(ctx, c.nodes, often, c.nodes.registry.GetService, req)
		err = failed(ctx, "get service", service, err)
		switch {
		case !first && errors.Is(err, ErrNotFound):
			return all, nil // the rest has gone meanwhile
		case err != nil:
			return nil, err
		case first:
			g.save(rsp.GetState())
		}
		for _, i := range rsp.GetInstances() {
			all = append(all, instanceOf(i))
		}
		if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

// pageSize is the largest there is: a page is bounded by its bytes as well.
const pageSize = 1000

// Services yields the services whose names begin with prefix, ordered by the bytes of their
// names. It reads page after page, so what changes meanwhile may show or not. An error is
// the last it yields.
func (c *Client) Services(ctx context.Context, prefix string, opts ...ListOption) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		req := &discoverypb.ListServicesRequest{Namespace: c.namespace, Prefix: prefix, PageSize: pageSize}
		l := listing{req: req}
		for _, o := range opts {
			o.list(&l)
		}
		for first := true; ; first = false {
			rsp, err := ask(ctx, c.nodes, often, c.nodes.registry.ListServices, req)
			if err != nil {
				yield(Summary{}, failed(ctx, "list services", prefix, err))
				return
			}
			if first {
				l.save(rsp.GetState())
			}
			for _, s := range rsp.GetServices() {
				if !yield(summaryOf(s), nil) {
					return
				}
			}
			if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
				return
			}
		}
	}
}

// Node returns what the node that answers knows of itself.
func (c *Client) Node(ctx context.Context) (Node, error) {
	rsp, err := ask(ctx, c.nodes, often, c.nodes.registry.ListServices, &discoverypb.ListServicesRequest{Namespace: c.namespace, PageSize: 1})
	if err != nil {
		return Node{}, failed(ctx, "get node", "", err)
	}
	return nodeOf(rsp.GetState()), nil
}

// Timeline yields what happened to an instance of a service, or to all of them if id is
// empty, the latest first, as the node has it that answers. It is ErrNotFound if that has
// nothing. An error is the last it yields.
func (c *Client) Timeline(ctx context.Context, service, id string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		req := &discoverypb.TimelineRequest{Namespace: c.namespace, Service: service, InstanceId: id, PageSize: pageSize}
		for first := true; ; first = false {
			rsp, err := ask(ctx, c.nodes, often, c.nodes.registry.Timeline, req)
			err = failed(ctx, "read timeline", key(service, id), err)
			switch {
			case !first && errors.Is(err, ErrNotFound):
				return // the rest was forgotten meanwhile
			case err != nil:
				yield(Event{}, err)
				return
			}
			for _, e := range rsp.GetEvents() {
				if !yield(eventOf(e), nil) {
					return
				}
			}
			if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
				return
			}
		}
	}
}

// key is what an error names.
func key(service, id string) string {
	if id == "" {
		return service
	}
	return service + " " + id
}
