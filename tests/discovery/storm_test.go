package discovery_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	microclient "go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
	"github.com/micro/platform/tests/backends"
)

// TestStorm: two nodes that write share an etcd, and one reads. One of the two is killed in
// the middle of many registrations: nothing is lost that it has acknowledged as kept.
func TestStorm(t *testing.T) {
	etcd := backends.URL(t, "etcd").String()
	writers := []string{free(t), free(t)}
	var nodes []*process
	for _, address := range writers {
		nodes = append(nodes, begin(t, "discovery-srv", "DISCOVERY_ADDRESS="+address, "DISCOVERY_REGISTRY="+etcd,
			"DISCOVERY_ROLE=write", "DISCOVERY_DNS=off", "PLATFORM_REGISTRY=memory:"))
	}
	reader := free(t)
	begin(t, "discovery-srv", "DISCOVERY_ADDRESS="+reader, "DISCOVERY_ROLE=read", "DISCOVERY_SOURCE="+writers[0]+","+writers[1],
		"DISCOVERY_DNS=off", "PLATFORM_REGISTRY=memory:")
	s := &storm{
		t: t, service: "storm-" + uuid.NewString(), writers: writers, kept: map[string]bool{},
		registry: discoverypb.NewRegistryService("discovery-srv", client.Protobuf(client.ByAddress(nil, slog.New(slog.DiscardHandler)))),
	}
	s.await(reader)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { s.register(i) })
	}
	s.until(200)
	nodes[0].kill()
	s.until(600)
	s.over()
	all.Wait()
	t.Logf("%d registrations were kept", len(s.kept))
	s.want(reader)
}

// storm registers instances of one service.
type storm struct {
	t        *testing.T
	service  string
	writers  []string
	registry discoverypb.RegistryService

	mu    sync.Mutex
	kept  map[string]bool
	ended bool
}

// register registers one instance after the other, at whichever node answers.
func (s *storm) register(part int) {
	for i := 0; !s.isOver(); i++ {
		id := fmt.Sprintf("%d-%d", part, i)
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		rsp, err := s.registry.Register(ctx, &discoverypb.RegisterRequest{
			Service: s.service, Instance: &discoverypb.Instance{Id: id, Address: "127.0.0.1:9000"},
		}, microclient.WithAddress(s.writers[(part+i)%2]))
		cancel()
		if err == nil && rsp.GetKept() {
			s.mu.Lock()
			s.kept[id] = true
			s.mu.Unlock()
		}
	}
}

func (s *storm) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *storm) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// until waits for so many registrations.
func (s *storm) until(n int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprint(n, " registrations"), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.kept) >= n
	})
}

// instances are those that a node knows.
func (s *storm) instances(address string) (ids []string, err error) {
	d := discoveryclient.New(client.ByAddress(nil, slog.New(slog.DiscardHandler)), discoveryclient.WithAddress(address))
	found, err := d.GetService(s.t.Context(), s.service)
	for _, i := range found {
		ids = append(ids, i.ID)
	}
	return ids, err
}

// await waits until a node has heard of what there is.
func (s *storm) await(address string) {
	s.t.Helper()
	eventually(s.t, "answer of the node that reads", func() bool {
		var node discoveryclient.Node
		d := discoveryclient.New(client.ByAddress(nil, slog.New(slog.DiscardHandler)), discoveryclient.WithAddress(address))
		for _, err := range d.Services(s.t.Context(), "", discoveryclient.SaveNode(&node)) {
			if err != nil {
				return false
			}
		}
		return node.Age == 0 && node.Away == ""
	})
}

// want waits until a node knows all that was kept.
func (s *storm) want(address string) {
	s.t.Helper()
	want := slices.Sorted(maps.Keys(s.kept))
	missing := want
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); len(missing) > 0; <-tick.C {
		if time.Since(begun) > patient {
			s.t.Fatalf("%d of %d are not known to the node that reads, such as %v", len(missing), len(want), missing[:min(len(missing), 5)])
		}
		if got, err := s.instances(address); err == nil {
			missing = slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(got, id) })
		}
	}
}
