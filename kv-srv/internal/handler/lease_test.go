package handler_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/lease"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/apart"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// got is how a Get with a lease of 5 s has ended, and when.
type got struct {
	value  string
	leased bool
	err    error
	after  time.Duration
}

// fillers are callers that ask for a lease on "k".
type fillers struct {
	all  sync.WaitGroup
	mu   sync.Mutex
	done []got
}

// ask has n callers ask at once.
func (f *fillers) ask(ctx context.Context, h *handler.Handler, n int, stale time.Duration) {
	for range n {
		f.all.Go(func() {
			begun := time.Now()
			g := get(ctx, h, stale)
			g.after = time.Since(begun)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.done = append(f.done, g)
		})
	}
	synctest.Wait()
}

// get is Get with a lease.
func get(ctx context.Context, h *handler.Handler, stale time.Duration) got {
	req := &kvpb.GetRequest{Key: "k", Lease: durationpb.New(5 * time.Second)}
	if stale > 0 {
		req.Stale = durationpb.New(stale)
	}
	var rsp kvpb.GetResponse
	err := h.Get(ctx, req, &rsp)
	return got{value: string(rsp.GetItem().GetValue()), leased: rsp.GetLeased(), err: err}
}

// take returns those that have ended since the last time, and of these those with a lease.
func (f *fillers) take() (all, leased []got) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, f.done = f.done, nil
	for _, g := range all {
		if g.leased {
			leased = append(leased, g)
		}
	}
	return all, leased
}

// bubble runs a test with two handlers of one memory store, in a time of its own.
func bubble(t *testing.T, f func(t *testing.T, one, two *handler.Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{})
		defer s.Close()
		one, two := over(s), over(s)
		f(t, one, two)
		for _, h := range []*handler.Handler{one, two} {
			if got := h.Leases(); got.Waiting != 0 {
				t.Errorf("who waited has left %+v", got)
			}
		}
	})
}

// TestLease: of many callers one has the lease, the others the item as soon as it is put,
// also through another service.
func TestLease(t *testing.T) {
	for name, within := range map[string]time.Duration{"through the same": 0, "through another": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h, by *handler.Handler) {
				if within == 0 {
					by = h
				}
				var f fillers
				f.ask(t.Context(), h, 100, 0)
				if all, leased := f.take(); len(all) != 1 || len(leased) != 1 || all[0].err != nil || all[0].value != "" {
					t.Fatalf("got %+v, want one answer: a lease and no item", all)
				}
				if s := h.Leases(); s.Leases != 1 || s.Waiting != 99 {
					t.Errorf("got %+v, want 1 lease and 99 who wait", s)
				}
				time.Sleep(3 * time.Second)
				must[*kvpb.PutResponse](t, by, &kvpb.PutRequest{Key: "k", Value: []byte("v")})
				f.all.Wait()
				all, leased := f.take()
				if len(all) != 99 || len(leased) != 0 {
					t.Errorf("got %d answers, %d with a lease, want 99 and none", len(all), len(leased))
				}
				for _, g := range all {
					if g.value != "v" || g.err != nil || g.after > 3*time.Second+within {
						t.Fatalf("got %+v", g)
					}
				}
				if s := h.Leases(); s.Leases != 0 || s.Taken != 1 {
					t.Errorf("after the Put: %+v", s)
				}
			})
		})
	}
}

// TestLeaseExpires: whoever has the lease and puts nothing is followed by one other.
func TestLeaseExpires(t *testing.T) {
	bubble(t, func(t *testing.T, h, _ *handler.Handler) {
		var f fillers
		f.ask(t.Context(), h, 10, 0)
		for i := range 10 {
			all, leased := f.take()
			if len(all) != 1 || len(leased) != 1 {
				t.Fatalf("%d: got %+v, want one lease", i, all)
			}
			if least := time.Duration(i) * 5 * time.Second; all[0].after < least || all[0].after > least+time.Duration(i)*200*time.Millisecond {
				t.Errorf("%d: got a lease after %v", i, all[0].after)
			}
			time.Sleep(5*time.Second + 200*time.Millisecond)
			synctest.Wait()
		}
		f.all.Wait()
	})
}

// TestLeaseDeadline: who waits ends with its deadline, and passes its turn on.
func TestLeaseDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, h, other *handler.Handler) {
		if g := get(t.Context(), h, 0); !g.leased {
			t.Fatalf("got %+v", g)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var short, long fillers
		short.ask(ctx, h, 3, 0)
		long.ask(t.Context(), h, 3, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		all, _ := short.take()
		for _, g := range all {
			if rpcerr.Code(g.err) != codes.DeadlineExceeded || g.after != 900*time.Millisecond {
				t.Errorf("got %+v, want deadline_exceeded in time to hear of it", g)
			}
		}
		if len(all) != 3 {
			t.Errorf("%d of 3 have ended", len(all))
		}
		must[*kvpb.PutResponse](t, other, &kvpb.PutRequest{Key: "k"})
		long.all.Wait()
		for _, g := range long.done {
			if g.err != nil || g.after > 1200*time.Millisecond {
				t.Errorf("got %+v", g)
			}
		}
	})
}

// TestStale: one is to put another item, the others take the one there is, at once.
func TestStale(t *testing.T) {
	bubble(t, func(t *testing.T, h, _ *handler.Handler) {
		old := &kvpb.PutRequest{Key: "k", Value: []byte("old"), Ttl: durationpb.New(time.Minute)}
		must[*kvpb.PutResponse](t, h, old)
		var f fillers
		f.ask(t.Context(), h, 10, time.Minute) // it has a minute, no less
		f.ask(t.Context(), h, 10, 0)
		time.Sleep(time.Second)
		f.ask(t.Context(), h, 10, 59*time.Second)
		if all, leased := f.take(); len(all) != 30 || len(leased) != 0 {
			t.Fatalf("got %+v, want nobody to have a lease", all)
		}
		f.ask(t.Context(), h, 10, time.Minute)
		f.ask(t.Context(), h, 10, 0)
		all, leased := f.take()
		if len(all) != 20 || len(leased) != 1 {
			t.Fatalf("got %+v, want 20 answers and one lease", all)
		}
		for _, g := range all {
			if g.value != "old" || g.err != nil || g.after != 0 {
				t.Errorf("got %+v, want the old item at once", g)
			}
		}
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: "k", Value: []byte("new")}) // has no end
		f.ask(t.Context(), h, 10, 10*time.Hour)
		if all, leased := f.take(); len(all) != 10 || len(leased) != 0 || all[0].value != "new" {
			t.Errorf("after the Put: got %+v", all)
		}
	})
}

// TestWritesEndLeases: every write to the key does that succeeds, and a Delete of nothing.
func TestWritesEndLeases(t *testing.T) {
	item := &kvpb.PutRequest{Key: "k", Value: []byte("1"), Ttl: durationpb.New(time.Second)}
	for name, tt := range map[string]struct {
		write proto.Message
		kept  bool
		none  bool // there is no item
	}{
		"Put":                 {write: &kvpb.PutRequest{Key: "k"}},
		"Put that fails":      {write: &kvpb.PutRequest{Key: "k", IfVersion: 1}, kept: true},
		"Delete":              {write: &kvpb.DeleteRequest{Key: "k"}},
		"Delete that fails":   {write: &kvpb.DeleteRequest{Key: "k", IfVersion: 1}, kept: true},
		"Delete of nothing":   {write: &kvpb.DeleteRequest{Key: "k"}, none: true},
		"giving back":         {write: &kvpb.DeleteRequest{Key: "k", IfVersion: 1}, none: true},
		"Increment":           {write: &kvpb.IncrementRequest{Key: "k", Delta: 1}},
		"Touch":               {write: &kvpb.TouchRequest{Key: "k"}},
		"Touch of nothing":    {write: &kvpb.TouchRequest{Key: "k"}, none: true, kept: true},
		"BatchPut":            {write: &kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "other"}, {Key: "k"}}}},
		"BatchPut that fails": {write: &kvpb.BatchPutRequest{Writes: []*kvpb.BatchPutRequest_Write{{Key: "other"}, {Key: "k", IfAbsent: true}}}, kept: true},
		"DeletePrefix":        {write: &kvpb.DeletePrefixRequest{All: true}},
		"of another key":      {write: &kvpb.PutRequest{Key: "kk"}, kept: true},
		"of another prefix":   {write: &kvpb.DeletePrefixRequest{Prefix: "kk"}, kept: true},
		"in another place":    {write: &kvpb.PutRequest{Namespace: "other", Key: "k"}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, memory.Options{})
			if !tt.none {
				must[*kvpb.PutResponse](t, h, item)
			}
			if g := get(t.Context(), h, time.Hour); !g.leased {
				t.Fatalf("got %+v", g)
			}
			_, _ = call(t.Context(), h, tt.write) // some fail
			if got := h.Leases().Leases == 1; got != tt.kept {
				t.Errorf("the lease is kept: got %t, want %t", got, tt.kept)
			}
		})
	}
}

// TestDeleteDuringLease: the next caller gets the lease at once.
func TestDeleteDuringLease(t *testing.T) {
	bubble(t, func(t *testing.T, h, _ *handler.Handler) {
		var f fillers
		f.ask(t.Context(), h, 3, 0)
		for i := range 3 {
			if all, leased := f.take(); len(all) != 1 || len(leased) != 1 || leased[0].after != 0 {
				t.Fatalf("%d: got %+v, want one lease", i, all)
			}
			_, err := call(t.Context(), h, &kvpb.DeleteRequest{Key: "k"})
			if rpcerr.Code(err) != codes.NotFound {
				t.Errorf("Delete: %v", err)
			}
			synctest.Wait()
		}
		f.all.Wait()
	})
}

// meddled is a store in which something happens after a Get.
type meddled struct {
	store.Store
	after func(gets int) error
	gets  int
}

func (m *meddled) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	item, err := m.Store.Get(ctx, namespace, key)
	m.gets++
	if after := m.after(m.gets); after != nil {
		return store.Item{}, after
	}
	return item, err
}

// TestPutBeforeLease: who sees no item, and gets the lease only since the item was put
// meanwhile, has the item and no lease.
func TestPutBeforeLease(t *testing.T) {
	s := memory.Open(memory.Options{})
	defer s.Close()
	m := &meddled{Store: s}
	h := over(m)
	if g := get(t.Context(), over(s), 0); !g.leased {
		t.Fatalf("got %+v", g)
	}
	m.after = func(gets int) error {
		if gets == 1 {
			must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: "k", Value: []byte("v")})
		}
		return nil
	}
	if g := get(t.Context(), h, 0); g.leased || g.value != "v" || g.err != nil {
		t.Errorf("got %+v, want the item", g)
	}
	if got := h.Leases(); got.Leases != 0 {
		t.Errorf("a lease that nobody has is kept: %+v", got)
	}
}

// TestLeaseOfAStoreThatIsAway: whoever could not be told of its lease does not have it.
func TestLeaseOfAStoreThatIsAway(t *testing.T) {
	s := memory.Open(memory.Options{})
	defer s.Close()
	for away := 1; away <= 2; away++ {
		h := over(&meddled{Store: s, after: func(gets int) error {
			if gets == away {
				return errors.New("away")
			}
			return nil
		}})
		if g := get(t.Context(), h, 0); rpcerr.Code(g.err) != codes.Unavailable || g.leased {
			t.Errorf("got %+v, want unavailable", g)
		}
		if g := get(t.Context(), h, 0); !g.leased {
			t.Errorf("and then %+v, want a lease", g)
		}
	}
}

// leaser is a store with leases of its own.
type leaser struct {
	store.Store
	leases *lease.Table
	err    error
}

func (l *leaser) Lease(_ context.Context, namespace, key string, _ uint64, d time.Duration) (bool, error) {
	return l.err == nil && l.leases.Take(namespace, key, d), l.err
}

// TestLeaser: services over a store that has leases have one lease together, also where
// other namespaces are in another store.
func TestLeaser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{Store: memory.Open(memory.Options{}), leases: lease.New(time.Now, 10)}
		var s apart.Store
		s.AddRest("memory", l)
		s.Add("memory", memory.Open(memory.Options{}), "plain")
		defer s.Close()
		one, two := over(&s), over(&s)
		var f fillers
		f.ask(t.Context(), one, 10, 0)
		f.ask(t.Context(), two, 10, 0)
		if all, leased := f.take(); len(all) != 1 || len(leased) != 1 {
			t.Fatalf("got %+v, want one lease", all)
		}
		must[*kvpb.PutResponse](t, two, &kvpb.PutRequest{Key: "k", Value: []byte("v")})
		f.all.Wait()
		for _, g := range f.done {
			if g.value != "v" || g.after > 20*time.Millisecond {
				t.Errorf("got %+v", g)
			}
		}
		if got := one.Leases(); got.Taken != 0 {
			t.Errorf("the service has leases beside those of the store: %+v", got)
		}

		plain := &kvpb.GetRequest{Namespace: "plain", Key: "k", Lease: durationpb.New(time.Second)}
		if rsp := must[*kvpb.GetResponse](t, one, plain); !rsp.GetLeased() || one.Leases().Taken != 1 {
			t.Errorf("in a store without: got %v, %+v", rsp, one.Leases())
		}
		l.err = errors.New("away")
		_, err := call(t.Context(), one, &kvpb.GetRequest{Key: "missing", Lease: durationpb.New(time.Second)})
		if rpcerr.Code(err) != codes.Unavailable {
			t.Errorf("where the store cannot tell: got %v, want unavailable", err)
		}
	})
}

// TestGetAllocates checks that a Get without a lease costs what it did before there were any.
func TestGetAllocates(t *testing.T) {
	h := open(t, memory.Options{})
	for _, key := range []string{"k", "leased"} {
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Key: key, Value: make([]byte, 100)})
	}
	must[*kvpb.GetResponse](t, h, &kvpb.GetRequest{Key: "missing", Lease: durationpb.New(time.Minute)})
	req := &kvpb.GetRequest{Key: "k"}
	n := testing.AllocsPerRun(1000, func() {
		var rsp kvpb.GetResponse
		if err := h.Get(t.Context(), req, &rsp); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 { // the item
		t.Errorf("%v allocations, want 1", n)
	}
}

// away is a store that cannot tell while it is away.
type away struct {
	store.Store
	now atomic.Bool
}

func (a *away) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	if a.now.Load() {
		return store.Item{}, errors.New("away")
	}
	return a.Store.Get(ctx, namespace, key)
}

// TestLeaseOfStoreThatIsAway: who looks for the others, and fails, ends no lease.
func TestLeaseOfStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.Open(memory.Options{})}
		defer s.Close()
		h := over(s)
		if g := get(t.Context(), h, 0); !g.leased {
			t.Fatalf("got %+v", g)
		}
		var f fillers
		f.ask(t.Context(), h, 1, 0)
		s.now.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		s.now.Store(false)
		all, _ := f.take()
		if len(all) != 1 || rpcerr.Code(all[0].err) != codes.Unavailable {
			t.Fatalf("got %+v, want unavailable", all)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if g := get(ctx, h, 0); rpcerr.Code(g.err) != codes.DeadlineExceeded {
			t.Errorf("got %+v, want to wait for who has the lease", g)
		}
	})
}
