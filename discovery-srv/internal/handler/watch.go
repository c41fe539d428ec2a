package handler

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Watch implements discoverypb.RegistryHandler. It returns when ctx, which is that of the
// stream, is done.
func (h *Handler) Watch(ctx context.Context, req *discoverypb.WatchRequest, stream discoverypb.Registry_WatchStream) error {
	if err := h.reads(ctx); err != nil && !req.GetAllNamespaces() { // by which read nodes follow
		return err
	}
	var c checks
	scope := c.scope(req)
	if c.Err != nil {
		return c.Err
	}
	w := h.conf.Catalog.Watch(scope, req.GetFromIndex())
	defer w.Close()
	tick := time.NewTicker(h.conf.Progress)
	defer tick.Stop()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.Bell():
		case <-tick.C:
		}
		for _, m := range messages(w.Next(), first) {
			m.State = h.State()
			if err := stream.Send(m); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return rpcerr.New(codes.Canceled, "canceled", "the caller has left").Because(err)
			}
		}
	}
}

func (c *checks) scope(req *discoverypb.WatchRequest) (s catalog.Scope) {
	namespace := c.Namespace(req.GetNamespace())
	switch {
	case req.GetAllNamespaces():
		if req.GetNamespace() != "" || len(req.GetServices()) > 0 {
			c.Fail("all_namespaces", "true beside namespace or services, want it alone")
		}
		return s
	case req.GetAllServices():
		if len(req.GetServices()) > 0 {
			c.Fail("all_services", "true beside services, want one of them")
		}
		s.Namespace = namespace
		return s
	}
	c.Count("services", len(req.GetServices()), maxWatched)
	seen := map[string]bool{}
	for i, name := range req.GetServices() {
		c.List, c.Index = "services", i
		c.name("", name)
		if !seen[name] {
			seen[name] = true
			s.Names = append(s.Names, catalog.Name{Namespace: namespace, Service: name})
		}
	}
	return s
}

// maxMessage bounds what one message of a watch takes, but for a single instance.
const maxMessage = 1 << 20

// messages divides an update. After a snapshot, or the first time, they end with SYNCED.
func messages(u catalog.Update, first bool) []*discoverypb.WatchResponse {
	d := division{kind: discoverypb.WatchResponse_TYPE_CHANGES}
	if u.Snapshot {
		d.kind = discoverypb.WatchResponse_TYPE_SNAPSHOT
		d.all = append(d.all, &discoverypb.WatchResponse{Type: d.kind})
	}
	for _, c := range u.Changes {
		for _, i := range c.GetInstances() {
			into := d.change(c, proto.Size(i))
			into.Instances = append(into.Instances, i)
		}
		for _, r := range c.GetRemoved() {
			into := d.change(c, proto.Size(r))
			into.Removed = append(into.Removed, r)
		}
	}
	switch {
	case u.Snapshot || first:
		d.all = append(d.all, &discoverypb.WatchResponse{Type: discoverypb.WatchResponse_TYPE_SYNCED})
	case len(d.all) == 0:
		d.all = append(d.all, &discoverypb.WatchResponse{Type: discoverypb.WatchResponse_TYPE_PROGRESS})
	}
	d.all[len(d.all)-1].Index = u.Index // after a part one goes on from the index before
	return d.all
}

// division is messages that are not too large.
type division struct {
	kind discoverypb.WatchResponse_Type
	all  []*discoverypb.WatchResponse
	room int                        // in the last
	last *discoverypb.ServiceChange // in that
}

// change returns what takes so many bytes more about a service.
func (d *division) change(of *discoverypb.ServiceChange, bytes int) *discoverypb.ServiceChange {
	const around = 10 // tags and lengths
	if d.room -= bytes + around; d.room < 0 {
		d.room = maxMessage - bytes
		d.all = append(d.all, &discoverypb.WatchResponse{Type: d.kind})
		d.last = nil
	}
	if d.last == nil || d.last.GetService() != of.GetService() || d.last.GetNamespace() != of.GetNamespace() {
		d.last = &discoverypb.ServiceChange{Namespace: of.GetNamespace(), Service: of.GetService()}
		d.room -= len(of.GetNamespace()) + len(of.GetService()) + around
		message := d.all[len(d.all)-1]
		message.Changes = append(message.Changes, d.last)
	}
	return d.last
}
