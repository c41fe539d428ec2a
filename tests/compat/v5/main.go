// Command v5 plays the scenarios with the clients of go-micro v5.30.
package main

import (
	"context"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/client/grpc"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/tests/compat/scenario"
)

func main() {
	scenario.Main(
		scenario.Kind{Name: "mucp", New: adapt(client.NewClient), Skip: map[string]string{"deadline": "this client sends 5s whatever the deadline"}},
		scenario.Kind{Name: "grpc", New: adapt(grpc.NewClient)},
	)
}

// adapter makes go-micro's client a scenario.Client.
type adapter struct {
	client client.Client
	opts   []client.CallOption
}

func adapt(open func(...client.Option) client.Client) func(scenario.Target) scenario.Client {
	return func(t scenario.Target) scenario.Client {
		r := registry.NewMDNSRegistry()
		a := &adapter{client: open(
			client.Registry(r),
			client.Selector(selector.NewSelector(selector.Registry(r))),
			client.WrapCall(count(t)),
		)}
		switch {
		case !t.MDNS:
			a.opts = append(a.opts, client.WithAddress(t.Address))
		case t.Address != "":
			a.opts = append(a.opts, client.WithSelectOption(selector.WithFilter(only(t.Address))))
		}
		return a
	}
}

// only leaves out the nodes of other addresses.
func only(address string) selector.Filter {
	return func(all []*registry.Service) []*registry.Service {
		for _, s := range all {
			for _, n := range s.Nodes {
				if n.Address == address {
					return []*registry.Service{{Name: s.Name, Version: s.Version, Nodes: []*registry.Node{n}}}
				}
			}
		}
		return nil
	}
}

// count tells the target of each attempt.
func count(t scenario.Target) client.CallWrapper {
	return func(next client.CallFunc) client.CallFunc {
		return func(ctx context.Context, node *registry.Node, req client.Request, rsp any, opts client.CallOptions) error {
			t.Attempt()
			return next(ctx, node, req, rsp, opts)
		}
	}
}

func (a *adapter) request(r scenario.Request, body proto.Message) client.Request {
	var opts []client.RequestOption
	if r.ContentType != "" {
		opts = append(opts, client.WithContentType(r.ContentType))
	}
	return a.client.NewRequest(r.Service, r.Endpoint, body, opts...)
}

func (a *adapter) Call(ctx context.Context, r scenario.Request, rsp proto.Message) error {
	err := a.client.Call(metadata.NewContext(ctx, r.Header), a.request(r, r.Body), rsp, a.opts...)
	if err == nil {
		return nil
	}
	e := merrors.Parse(err.Error())
	return &scenario.Error{ID: e.Id, Code: e.Code, Detail: e.Detail, Status: e.Status}
}

func (a *adapter) Stream(ctx context.Context, r scenario.Request) (scenario.Stream, error) {
	st, err := a.client.Stream(metadata.NewContext(ctx, r.Header), a.request(r, r.Empty()), a.opts...)
	if err != nil {
		return nil, err
	}
	if err := st.Send(r.Body); err != nil {
		return nil, err
	}
	return st, nil
}
