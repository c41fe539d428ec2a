package page

import (
	"context"
	"slices"
	"sync"

	"github.com/micro/platform/internal/page"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// together follows what both do, until the first of them ends.
func together(first, second live) live {
	return func(ctx context.Context, r *page.Request, changed func()) error {
		var both sync.WaitGroup
		defer both.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan error, 2)
		for _, one := range []live{first, second} {
			both.Go(func() { ended <- one(ctx, r, changed) })
		}
		return <-ended
	}
}

func servicesChanged(ctx context.Context, r *page.Request, changed func()) error {
	namespace := r.Get(inNamespace)
	return changes(ctx, r, &discoverypb.WatchRequest{
		Namespace: namespace, AllServices: namespace != "", AllNamespaces: namespace == "",
	}, func(*discoverypb.WatchResponse) { changed() })
}

func serviceChanged(ctx context.Context, r *page.Request, changed func()) error {
	return changes(ctx, r, ofOne(nameOf(r)), func(*discoverypb.WatchResponse) { changed() })
}

func instanceChanged(ctx context.Context, r *page.Request, changed func()) error {
	id := r.Get(ofInstance)
	return changes(ctx, r, ofOne(nameOf(r)), func(m *discoverypb.WatchResponse) {
		if m.GetType() != discoverypb.WatchResponse_TYPE_CHANGES || concerns(m, id) {
			changed()
		}
	})
}

func ofOne(n name) *discoverypb.WatchRequest {
	return &discoverypb.WatchRequest{Namespace: n.Namespace, Services: []string{n.Service}}
}

func concerns(m *discoverypb.WatchResponse, id string) bool {
	return slices.ContainsFunc(m.GetChanges(), func(c *discoverypb.ServiceChange) bool {
		return slices.ContainsFunc(c.GetInstances(), func(i *discoverypb.Instance) bool { return i.GetId() == id }) ||
			slices.ContainsFunc(c.GetRemoved(), func(r *discoverypb.Removed) bool { return r.GetId() == id })
	})
}

// changes calls tell for each message of a watch, until ctx ends. The first comes when the
// watch has begun: it misses no change after that. It begins where the node is: what there
// is already, the page asks for itself.
func changes(ctx context.Context, r *page.Request, req *discoverypb.WatchRequest, tell func(*discoverypb.WatchResponse)) error {
	list := &discoverypb.ListServicesRequest{Namespace: req.GetNamespace(), AllNamespaces: req.GetAllNamespaces(), PageSize: 1}
	if len(req.GetServices()) > 0 {
		list.Prefix = req.GetServices()[0]
	}
	now, err := page.Call[discoverypb.ListServicesResponse](ctx, r, "Registry.ListServices", list)
	if err != nil {
		return err
	}
	req.FromIndex = now.GetState().GetIndex()
	return page.Stream(ctx, r, "Registry.Watch", req, func(m *discoverypb.WatchResponse) error {
		tell(m)
		return nil
	})
}
