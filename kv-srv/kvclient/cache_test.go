package kvclient_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// cached returns a client with a cache until the end of the test.
func cached(t *testing.T, c client.Client, opts ...kvclient.Option) *kvclient.Client {
	t.Helper()
	kv := kvclient.New(c, append(opts, kvclient.WithCache(1<<20))...)
	t.Cleanup(func() { _ = kv.Close() })
	return kv
}

// until waits for what must come, and less than the 30 seconds after which a cache asks
// anyway.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("waited too long until " + what)
		}
	}
}

// warm waits until the cache is live, and has a key that exists.
func warm(t *testing.T, kv *kvclient.Client, key string) {
	t.Helper()
	version(t, kv, key) // which begins the watch
	until(t, "the cache is live", func() bool { return kv.CacheStats().Live })
	version(t, kv, key)
	before := kv.CacheStats()
	version(t, kv, key)
	if after := kv.CacheStats(); after.Hits != before.Hits+1 || after.Misses != before.Misses {
		t.Fatalf("a Get of what was read: before %+v, after %+v", before, after)
	}
}

func TestCache(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	other, kv, ctx := kvclient.New(p.Client), cached(t, p.Client), t.Context()
	put(t, other, "k", "one", kvclient.Metadata{"a": "b"}, kvclient.TTL(time.Hour))
	if s := kv.CacheStats(); s != (kvclient.CacheStats{}) {
		t.Errorf("before the first Get: %+v", s)
	}
	want, err := other.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	warm(t, kv, "k")
	if got, err := kv.Get(ctx, "k"); err != nil || !cmp.Equal(want, got) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	misses := kv.CacheStats().Misses
	put(t, other, "k", "two")
	until(t, "the other's write is seen", func() bool {
		got, err := kv.Get(ctx, "k")
		return err == nil && string(got.Value) == "two"
	})
	if got := kv.CacheStats().Misses; got != misses {
		t.Errorf("%d Gets of a kept key asked the service when it was changed", got-misses)
	}
	if err := other.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	until(t, "the other's delete is seen", func() bool {
		_, err := kv.Get(ctx, "k")
		return errors.Is(err, kvclient.ErrNotFound)
	})
	put(t, other, "short", "", kvclient.TTL(300*time.Millisecond))
	warm(t, kv, "short")
	until(t, "it has expired", func() bool {
		item, err := kv.Get(ctx, "short")
		if err == nil && !time.Now().Before(item.Expires.Add(100*time.Millisecond)) { // it may expire in Get
			t.Errorf("returned at %v what ends at %v", time.Now(), item.Expires)
		}
		return errors.Is(err, kvclient.ErrNotFound)
	})
	if s := kv.CacheStats(); s.Err != nil || s.Emptied != 0 || s.Hits == 0 || s.Misses == 0 {
		t.Errorf("in the end: %+v", s)
	}
}

// TestCacheReadsOwnWrites writes in every way, and reads.
func TestCacheReadsOwnWrites(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, ctx := cached(t, p.Client), t.Context()
	put(t, kv, "other", "")
	for name, write := range map[string]func() (string, error){
		"Put":       func() (string, error) { _, err := kv.Put(ctx, "k", []byte("2")); return "2", err },
		"Delete":    func() (string, error) { return "", kv.Delete(ctx, "k") },
		"Increment": func() (string, error) { n, err := kv.Increment(ctx, "k", 1); return strconv.FormatInt(n, 10), err },
		"BatchPut": func() (string, error) {
			_, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "j"}, {Key: "k", Value: []byte("2")}})
			return "2", err
		},
		"DeletePrefix": func() (string, error) { _, err := kv.DeletePrefix(ctx, "k"); return "", err },
		"DeleteAll":    func() (string, error) { _, err := kv.DeleteAll(ctx); return "", err },
	} {
		for range 100 {
			put(t, kv, "k", "1")
			warm(t, kv, "k")
			want, err := write()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := kv.Get(ctx, "k")
			if want == "" && !errors.Is(err, kvclient.ErrNotFound) || want != "" && (err != nil || string(got.Value) != want) {
				t.Fatalf("after %s: got %q, %v, want %q", name, got.Value, err, want)
			}
		}
	}
	for range 100 {
		put(t, kv, "k", "1", kvclient.TTL(time.Hour))
		warm(t, kv, "k")
		if _, err := kv.Touch(ctx, "k", 0); err != nil {
			t.Fatal(err)
		}
		if got, err := kv.Get(ctx, "k"); err != nil || !got.Expires.IsZero() {
			t.Fatalf("after Touch: got %+v, %v", got, err)
		}
	}
	if _, err := kv.Put(ctx, "k", nil, kvclient.IfVersion(1)); !errors.Is(err, kvclient.ErrConflict) {
		t.Fatal(err)
	}
	misses := kv.CacheStats().Misses
	if version(t, kv, "k"); kv.CacheStats().Misses != misses+1 {
		t.Error("a write that failed leaves what was read before it")
	}
}

func TestCacheBatchGet(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, ctx := cached(t, p.Client), t.Context()
	for _, key := range []string{"a", "b", "c"} {
		put(t, kv, key, "value of "+key)
	}
	warm(t, kv, "b")
	before := kv.CacheStats()
	for range 2 {
		got, err := kv.BatchGet(ctx, "a", "b", "missing", "c", "b")
		if err != nil || len(got) != 5 {
			t.Fatalf("got %+v, %v", got, err)
		}
		for i, want := range []string{"a", "b", "", "c", "b"} {
			if want == "" && errors.Is(got[i].Err, kvclient.ErrNotFound) {
				continue
			}
			if got[i].Err != nil || got[i].Item.Key != want || string(got[i].Item.Value) != "value of "+want {
				t.Errorf("result %d: got %+v, want %s", i, got[i], want)
			}
		}
	}
	after := kv.CacheStats()
	if hits, misses := after.Hits-before.Hits, after.Misses-before.Misses; hits != 2+4 || misses != 3+1 || after.Items != 3 {
		t.Errorf("%d hits, %d misses, %+v, want 6, 4, and 3 items", hits, misses, after)
	}
	if got, err := kv.BatchGet(ctx, "a", "b"); err != nil || string(got[0].Item.Value) != "value of a" {
		t.Errorf("all from the cache: got %+v, %v", got, err)
	}
	if _, err := kv.BatchGet(ctx, "a", ""); err == nil {
		t.Error("a key that is wrong is no error beside one that is kept")
	}
}

// TestCacheGetOrFill: what GetOrFill has read is kept, for Get as well, unless it is stale.
func TestCacheGetOrFill(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, other, ctx := cached(t, p.Client), kvclient.New(p.Client), t.Context()
	put(t, other, "warm", "")
	warm(t, kv, "warm")
	fills := 0
	get := func(opts ...kvclient.FillOption) string {
		t.Helper()
		fill := func(context.Context) ([]byte, error) { fills++; return fmt.Append(nil, "fill ", fills), nil }
		failure := errors.New("not set")
		item, err := kv.GetOrFill(ctx, "k", fill, append(opts, kvclient.TTL(time.Hour), kvclient.SaveFailure(&failure))...)
		if err != nil || failure != nil {
			t.Fatal(err, failure)
		}
		return string(item.Value)
	}
	misses := func() int64 { return kv.CacheStats().Misses }
	for range 2 { // filled, read
		if got := get(); got != "fill 1" {
			t.Fatalf("got %q", got)
		}
	}
	before := misses()
	version(t, kv, "k")
	if got := get(); got != "fill 1" || misses() != before {
		t.Errorf("got %q, %d more misses, want what is kept", got, misses()-before)
	}
	if got := get(kvclient.Stale(2 * time.Hour)); got != "fill 2" {
		t.Errorf("got %q although it is stale", got)
	}
	put(t, other, "k", "other")
	until(t, "the other's write is seen", func() bool { return get() == "other" })
}

// holding is a client whose Gets of one key are answered, and then held back.
type holding struct {
	mu      sync.Mutex
	held    chan struct{} // gets one for each answer; nil: none is held
	release chan struct{}
}

func (h *holding) wrap(next client.CallFunc) client.CallFunc {
	return func(ctx context.Context, node *registry.Node, req client.Request, rsp any, opts client.CallOptions) error {
		err := next(ctx, node, req, rsp, opts)
		h.mu.Lock()
		held, release := h.held, h.release
		h.mu.Unlock()
		if asks, ok := rsp.(interface{ GetLeased() bool }); ok && asks != nil && held != nil {
			held <- struct{}{}
			<-release
		}
		return err
	}
}

// hold holds the next Gets back until its result is closed.
func (h *holding) hold() (held, release chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held, h.release = make(chan struct{}), make(chan struct{})
	return h.held, h.release
}

func (h *holding) off() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = nil
}

// TestCacheOvertaken has an answer come after the event that makes it old: whoever asks
// from then on must not get it.
func TestCacheOvertaken(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	h := &holding{}
	kv := cached(t, client.NewClient(client.WrapCall(h.wrap)), kvclient.WithAddress(p.Address("kv-srv")))
	other, ctx := kvclient.New(p.Client), t.Context()
	put(t, other, "marker", "")
	warm(t, kv, "marker")
	for name, change := range map[string]struct {
		by   func(key string) error
		want string
	}{
		"nobody":  {func(string) error { return nil }, "old"},
		"others":  {func(key string) error { _, err := other.Put(ctx, key, []byte("new")); return err }, "new"},
		"a write": {func(key string) error { _, err := kv.Put(ctx, key, []byte("new")); return err }, "new"},
		"delete":  {func(key string) error { return other.Delete(ctx, key) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, other, name, "old")
			held, release := h.hold()
			got := make(chan string, 1)
			go func() {
				item, err := kv.Get(ctx, name)
				got <- fmt.Sprint(string(item.Value), err)
			}()
			<-held // the service has answered
			h.off()
			if err := change.by(name); err != nil {
				t.Fatal(err)
			}
			marker := put(t, other, "marker", "") // whose event comes after that of the change
			warmed := func() bool { return version(t, kv, "marker") == marker }
			until(t, "the event is there", warmed)
			close(release)
			if got := <-got; got != "old<nil>" {
				t.Fatalf("the Get that was held: got %s", got)
			}
			misses := kv.CacheStats().Misses
			item, err := kv.Get(ctx, name)
			if string(item.Value) != change.want || (err != nil) != (change.want == "") {
				t.Errorf("the next Get: got %q, %v, want %q", item.Value, err, change.want)
			}
			if kept := kv.CacheStats().Misses == misses; kept != (name == "nobody") {
				t.Errorf("the answer was kept: %v", kept)
			}
		})
	}
}

// TestCacheIsNotBehind: what a List or a Watch has told, Get knows as well, although the
// cache's own watch may be later.
func TestCacheIsNotBehind(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, other, ctx := cached(t, p.Client), kvclient.New(p.Client), t.Context()
	put(t, other, "k", "")
	warm(t, kv, "k")
	for range 200 {
		put(t, other, "k", "")
		for item, err := range kv.List(ctx, "k", kvclient.KeysOnly()) {
			if got := version(t, kv, "k"); err != nil || got < item.Version {
				t.Fatalf("%d after List told of %d, %v", got, item.Version, err)
			}
		}
	}
	n := 0
	for e, err := range kv.Watch(ctx, "", kvclient.WithProgress()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == kvclient.EventPut {
			if got := version(t, kv, "k"); got < e.Version {
				t.Fatalf("%d after Watch told of %d", got, e.Version)
			}
		}
		if n++; n > 200 {
			break
		}
		put(t, other, "k", "")
	}
}

// TestCacheOfABusyKey: of each key, readers never see versions go back, while others write,
// and see the last one in the end.
func TestCacheOfABusyKey(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, ctx := cached(t, p.Client), t.Context()
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		put(t, kv, key, "0")
	}
	warm(t, kv, "a")
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := map[string]uint64{}
			tick := time.NewTicker(100 * time.Microsecond) // the others need the processor, too
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				key := keys[i%len(keys)]
				item, err := kv.Get(ctx, key)
				if err != nil || item.Version < last[key] {
					t.Errorf("%s: version %d after %d, %v", key, item.Version, last[key], err)
					return
				}
				last[key] = item.Version
			}
		})
	}
	for w, by := range []*kvclient.Client{kvclient.New(p.Client), kvclient.New(p.Client), kv} {
		writers.Go(func() {
			for i := range 300 {
				key := keys[(i+w)%len(keys)]
				wrote, err := by.Put(ctx, key, []byte(strconv.Itoa(i)))
				if err != nil {
					t.Error(err)
					return
				}
				if by != kv {
					continue
				}
				if item, err := kv.Get(ctx, key); err != nil || item.Version < wrote {
					t.Errorf("%s: version %d after it wrote %d, %v", key, item.Version, wrote, err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	sure := kvclient.New(p.Client)
	for _, key := range keys {
		want := version(t, sure, key)
		until(t, "the last write is seen", func() bool { return version(t, kv, key) == want })
	}
	if s := kv.CacheStats(); s.Hits == 0 || s.Emptied != 0 {
		t.Errorf("in the end: %+v", s)
	}
}

// TestCacheWithoutItsService stops the service, whose items are gone then, and starts
// another one in its place.
func TestCacheWithoutItsService(t *testing.T) {
	var kv *kvclient.Client
	var address string
	t.Run("while it runs", func(t *testing.T) {
		p := hosttest.Run(t, nil, kvserver.Service())
		address = p.Address("kv-srv")
		kv = kvclient.New(client.NewClient(), kvclient.WithAddress(address), kvclient.WithCache(1<<20), kvclient.WithNamespace("n"))
		for _, key := range []string{"a", "b"} {
			put(t, kv, key, "old")
			warm(t, kv, key)
		}
	})
	until(t, "the cache is empty", func() bool { return !kv.CacheStats().Live })
	if s := kv.CacheStats(); s.Items != 0 || s.Bytes != 0 || s.Emptied != 1 || !errors.Is(s.Err, kvclient.ErrUnavailable) {
		t.Errorf("without its service: %+v", s)
	}
	if item, err := kv.Get(t.Context(), "a"); !errors.Is(err, kvclient.ErrUnavailable) {
		t.Errorf("without its service: got %+v, %v", item, err)
	}
	t.Run("while another one runs", func(t *testing.T) {
		hosttest.Run(t, map[string]string{"KV_ADDRESS": address}, kvserver.Service())
		if item, err := kv.Get(t.Context(), "a"); !errors.Is(err, kvclient.ErrNotFound) {
			t.Errorf("what the other one had: got %+v, %v", item, err)
		}
		put(t, kv, "b", "new")
		warm(t, kv, "b")
		if item, err := kv.Get(t.Context(), "b"); err != nil || string(item.Value) != "new" {
			t.Errorf("got %+v, %v", item, err)
		}
		for range 2 {
			if err := kv.Close(); err != nil {
				t.Error(err)
			}
		}
		misses := kv.CacheStats().Misses
		version(t, kv, "b")
		version(t, kv, "b")
		if s := kv.CacheStats(); s.Live || s.Items != 0 || s.Misses != misses+2 {
			t.Errorf("closed: %+v", s)
		}
	})
}

// TestCacheEnds: Close leaves no goroutine behind.
func TestCacheEnds(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	put(t, kvclient.New(p.Client), "k", "") // connects
	before := goleak.IgnoreCurrent()
	for range 3 {
		kv := kvclient.New(p.Client, kvclient.WithCache(1<<20))
		warm(t, kv, "k")
		if err := kv.Close(); err != nil {
			t.Error(err)
		}
	}
	kv := kvclient.New(client.NewClient(), kvclient.WithAddress("127.0.0.1:1"), kvclient.WithCache(1<<20))
	if _, err := kv.Get(t.Context(), "k"); !errors.Is(err, kvclient.ErrUnavailable) {
		t.Errorf("nobody listens: got %v", err)
	}
	if err := kv.Close(); err != nil {
		t.Error(err)
	}
	noneLeft(t, before)
}

// TestCacheNeverBegun closes clients that have nothing to close.
func TestCacheNeverBegun(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	plain, kv := kvclient.New(p.Client), kvclient.New(p.Client, kvclient.WithCache(1<<20))
	put(t, plain, "k", "")
	for _, c := range []*kvclient.Client{plain, kv} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		version(t, c, "k")
		version(t, c, "k")
	}
	if s := plain.CacheStats(); s != (kvclient.CacheStats{}) {
		t.Errorf("without a cache: %+v", s)
	}
	if s := kv.CacheStats(); s != (kvclient.CacheStats{Misses: 2}) {
		t.Errorf("closed before it was used: %+v", s)
	}
}
