package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	snapshot = discoverypb.WatchResponse_TYPE_SNAPSHOT
	synced   = discoverypb.WatchResponse_TYPE_SYNCED
	changes  = discoverypb.WatchResponse_TYPE_CHANGES
)

// watch runs a watch until the test ends, whose messages come one by one.
func watch(t *testing.T, h *handler.Handler, req *discoverypb.WatchRequest) <-chan *discoverypb.WatchResponse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sent, ended := make(chan *discoverypb.WatchResponse), make(chan error)
	go func() {
		ended <- h.Watch(ctx, req, &stream{ctx: ctx, send: func(m *discoverypb.WatchResponse) error {
			select {
			case sent <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("after its context: got %v, want that context's error", err)
		}
	})
	return sent
}

// line is a message in words.
func line(m *discoverypb.WatchResponse) string {
	s := strings.TrimPrefix(m.GetType().String(), "TYPE_")
	for _, c := range m.GetChanges() {
		s += " " + c.GetNamespace() + "/" + c.GetService()
		for _, i := range c.GetInstances() {
			s += " " + i.GetId()
		}
		for _, r := range c.GetRemoved() {
			s += fmt.Sprintf(" -%s (%v %s)", r.GetId(), r.GetType(), r.GetReason())
		}
	}
	if m.GetIndex() > 0 {
		s += " and an index"
	}
	return s
}

func expect(t *testing.T, sent <-chan *discoverypb.WatchResponse, want ...string) (last *discoverypb.WatchResponse) {
	t.Helper()
	var got []string
	for range want {
		last = <-sent
		got = append(got, line(last))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	return last
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, 0)
		sent := watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop", "cart", "shop"}})
		first := expect(t, sent, "SNAPSHOT", "SYNCED and an index")
		register(t, h, "a", nil)
		expect(t, sent, "CHANGES default/shop a and an index")
		must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", Reason: "a deploy"})
		gone := expect(t, sent, "CHANGES default/shop -a (TYPE_DEREGISTERED a deploy) and an index")
		began := time.Now()
		expect(t, sent, "PROGRESS and an index")
		if got := time.Since(began); got != 15*time.Second {
			t.Errorf("the next message comes after %v, want 15s", got)
		}

		register(t, h, "b", nil)
		expect(t, watch(t, h, &discoverypb.WatchRequest{AllServices: true}), "SNAPSHOT", "SNAPSHOT default/shop b", "SYNCED and an index")
		expect(t, watch(t, h, &discoverypb.WatchRequest{Namespace: "other", AllServices: true}), "SNAPSHOT", "SYNCED and an index")
		all := watch(t, h, &discoverypb.WatchRequest{AllNamespaces: true, FromIndex: first.GetIndex()})
		expect(t, all, "CHANGES default/shop b -a (TYPE_DEREGISTERED a deploy)", "SYNCED and an index")
		resumed := expect(t, watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop"}, FromIndex: gone.GetIndex()}),
			"CHANGES default/shop b", "SYNCED and an index")
		expect(t, watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop"}, FromIndex: resumed.GetIndex()}), "SYNCED and an index")
		expect(t, watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop"}, FromIndex: 1}), "SNAPSHOT", "SNAPSHOT default/shop b", "SYNCED and an index")
	})
}

func TestWatcherLeaves(t *testing.T) {
	h := open(t, 0)
	lost := errors.New("broken pipe")
	err := h.Watch(t.Context(), &discoverypb.WatchRequest{AllServices: true}, &stream{ctx: t.Context(), send: func(*discoverypb.WatchResponse) error { return lost }})
	if rpcerr.Code(err) != codes.Canceled || !errors.Is(err, lost) {
		t.Errorf("a caller that is gone: got %v, want canceled because of it", err)
	}
	if got := h.State().GetWatchers(); got != 0 {
		t.Errorf("%d watchers are left", got)
	}
}

// TestMessagesAreBounded watches instances that say much.
func TestMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, 0)
		large := func(i *discoverypb.Instance) {
			i.Metadata = map[string]string{"large": i.GetId() + strings.Repeat("x", 63<<10)}
		}
		for n := range 50 {
			register(t, h, fmt.Sprintf("large-%d", n), large)
		}
		for n := range 20_000 {
			register(t, h, fmt.Sprintf("small-%d", n), nil)
		}
		sent := watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop"}})
		if first := <-sent; first.GetType() != snapshot || len(first.GetChanges()) > 0 {
			t.Errorf("first message: %v, want an empty snapshot", first.GetType())
		}
		seen, parts := map[string]bool{}, 0
		for m := range sent {
			if m.GetType() == synced {
				break
			}
			parts++
			if n := proto.Size(m); n > 1<<20+1<<10 {
				t.Errorf("a message has %d bytes, want 1 MiB at most", n)
			}
			if m.GetType() != snapshot || m.GetIndex() > 0 || len(m.GetChanges()) != 1 {
				t.Errorf("a part: %v, index %d, of %d services", m.GetType(), m.GetIndex(), len(m.GetChanges()))
			}
			for _, i := range m.GetChanges()[0].GetInstances() {
				if seen[i.GetId()] {
					t.Errorf("%s is told twice", i.GetId())
				}
				seen[i.GetId()] = true
			}
		}
		if len(seen) != 20_050 || parts > 8 {
			t.Errorf("%d instances in %d messages, want 20050 in few", len(seen), parts)
		}
		for n := range 50 {
			must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: fmt.Sprintf("large-%d", n)})
			register(t, h, fmt.Sprintf("large-%d", n), large)
		}
		synctest.Wait() // who reads slowly gets the first alone, and all others as few
		told := 0
		for {
			m := <-sent
			if n := proto.Size(m); n > 1<<20+1<<10 {
				t.Errorf("a message of changes has %d bytes, want 1 MiB at most", n)
			}
			if m.GetType() != changes {
				t.Errorf("got %v, want changes", m.GetType())
			}
			for _, c := range m.GetChanges() {
				told += len(c.GetInstances())
			}
			if m.GetIndex() == h.State().GetIndex() {
				break
			}
		}
		if told < 50 || told > 51 {
			t.Errorf("%d are told, want each once", told)
		}
	})
}

// TestWarmingIsAsOfWhatIsTold has an instance register, and the node be warm, while its
// snapshot is sent: who follows must not take what it has for all there is.
func TestWarmingIsAsOfWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, 0)
		sent := watch(t, h, &discoverypb.WatchRequest{Services: []string{"shop"}})
		synctest.Wait() // it sends the first
		register(t, h, "a", nil)
		time.Sleep(time.Minute)
		if last := expect(t, sent, "SNAPSHOT", "SYNCED and an index"); !last.GetState().GetWarming() {
			t.Error("a snapshot of when the node was warming says that it is not")
		}
		if last := expect(t, sent, "CHANGES default/shop a and an index"); last.GetState().GetWarming() {
			t.Error("what has changed since says that the node is warming")
		}
	})
}
