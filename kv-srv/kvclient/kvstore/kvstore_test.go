package kvstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go-micro.dev/v5/store"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvclient/kvstore"
	"github.com/micro/platform/kv-srv/kvserver"
)

// stores are go-micro's own in memory, and ours: what holds for one has to hold for the
// other.
func stores(t *testing.T) map[string]store.Store {
	t.Helper()
	kv := kvclient.New(hosttest.Run(t, nil, kvserver.Service()).Client)
	near := kvclient.New(hosttest.Run(t, nil, kvserver.Service()).Client, kvclient.WithCache(1<<20))
	t.Cleanup(func() { _ = near.Close() })
	return map[string]store.Store{"go-micro": store.NewMemoryStore(), "kv": kvstore.New(kv), "kv with a cache": kvstore.New(near)}
}

func each(t *testing.T, f func(t *testing.T, s store.Store)) {
	t.Helper()
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
}

func TestRecord(t *testing.T) {
	each(t, func(t *testing.T, s store.Store) {
		want := &store.Record{Key: "a/b", Value: []byte("hello"), Metadata: map[string]any{"text": "x", "yes": true, "number": 1.5}}
		if err := s.Write(want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read("a/b")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]*store.Record{want}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := errors.Join(s.Delete("a/b"), s.Delete("a/b")); err != nil {
			t.Errorf("delete: %v", err)
		}
		if got, err := s.Read("a/b"); !errors.Is(err, store.ErrNotFound) || len(got) > 0 {
			t.Errorf("after the end: got %v, %v", got, err)
		}
	})
}

// TestRecordsAreOwned changes what was read, also out of a cache.
func TestRecordsAreOwned(t *testing.T) {
	kv := kvclient.New(hosttest.Run(t, nil, kvserver.Service()).Client, kvclient.WithCache(1<<20))
	t.Cleanup(func() { _ = kv.Close() })
	s := kvstore.New(kv)
	if err := s.Write(&store.Record{Key: "k", Value: []byte("value"), Metadata: map[string]any{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); kv.CacheStats().Hits < 2; {
		got, err := s.Read("k")
		if err != nil || string(got[0].Value) != "value" || got[0].Metadata["a"] != "b" {
			t.Fatalf("got %+v, %v", got, err)
		}
		copy(got[0].Value, "spoil")
		got[0].Metadata["a"] = "spoilt"
		if time.Since(begun) > 30*time.Second {
			t.Fatal("the cache keeps nothing")
		}
	}
}

// TestRead finds by prefix and suffix, page by page.
func TestRead(t *testing.T) {
	each(t, func(t *testing.T, s store.Store) {
		for i := range 5 {
			for _, suffix := range []string{"x", "y"} {
				if err := s.Write(&store.Record{Key: fmt.Sprint("key", i, suffix), Value: []byte(suffix)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Write(&store.Record{Key: "other"}); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			key  string
			opts []store.ReadOption
			want int
		}{
			"prefix":            {"key", []store.ReadOption{store.ReadPrefix()}, 10},
			"suffix":            {"x", []store.ReadOption{store.ReadSuffix()}, 5},
			"none":              {"nothing", []store.ReadOption{store.ReadPrefix()}, 0},
			"limit":             {"key", []store.ReadOption{store.ReadPrefix(), store.ReadLimit(3)}, 3},
			"offset":            {"key", []store.ReadOption{store.ReadPrefix(), store.ReadOffset(8)}, 2},
			"limit and offset":  {"y", []store.ReadOption{store.ReadSuffix(), store.ReadLimit(3), store.ReadOffset(3)}, 2},
			"offset beyond all": {"key", []store.ReadOption{store.ReadPrefix(), store.ReadOffset(99)}, 0},
		} {
			if got, err := s.Read(tt.key, tt.opts...); err != nil || len(got) != tt.want {
				t.Errorf("%s: got %d records, %v, want %d", name, len(got), err, tt.want)
			}
		}
		for name, tt := range map[string]struct {
			opts []store.ListOption
			want int
		}{
			"all":    {nil, 11},
			"prefix": {[]store.ListOption{store.ListPrefix("key1")}, 2},
			"suffix": {[]store.ListOption{store.ListSuffix("x")}, 5},
			"limit":  {[]store.ListOption{store.ListLimit(4)}, 4},
			"page":   {[]store.ListOption{store.ListLimit(4), store.ListOffset(9)}, 2},
			"none":   {[]store.ListOption{store.ListPrefix("nothing")}, 0},
		} {
			if got, err := s.List(tt.opts...); err != nil || len(got) != tt.want {
				t.Errorf("%s: got %q, %v, want %d", name, got, err, tt.want)
			}
		}
	})
}

// TestPages: pages together are all, in order. go-micro's own store in memory filters a
// page after it was cut.
func TestPages(t *testing.T) {
	s := stores(t)["kv"]
	var want, got []string
	for i := range 7 {
		key := fmt.Sprint("key", i)
		want = append(want, key)
		if err := errors.Join(s.Write(&store.Record{Key: key}), s.Write(&store.Record{Key: fmt.Sprint("a", i)})); err != nil {
			t.Fatal(err)
		}
	}
	for offset := uint(0); ; offset += 3 {
		page, err := s.List(store.ListPrefix("key"), store.ListLimit(3), store.ListOffset(offset))
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 3 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, s store.Store) {
		for name, tt := range map[string]struct {
			record time.Duration
			opts   []store.WriteOption
			want   time.Duration
		}{
			"none":            {0, nil, 0},
			"of the record":   {time.Hour, nil, time.Hour},
			"TTL":             {time.Minute, []store.WriteOption{store.WriteTTL(time.Hour)}, time.Hour},
			"Expiry":          {time.Minute, []store.WriteOption{store.WriteExpiry(time.Now().Add(time.Hour))}, time.Hour},
			"TTL, not Expiry": {0, []store.WriteOption{store.WriteTTL(time.Hour), store.WriteExpiry(time.Now().Add(time.Minute))}, time.Hour},
		} {
			if err := s.Write(&store.Record{Key: name, Expiry: tt.record}, tt.opts...); err != nil {
				t.Fatal(err)
			}
			got, err := s.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got[0].Expiry, cmpopts.EquateApproxTime(0), cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Minute })); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if err := s.Write(&store.Record{Key: "short", Expiry: 50 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := s.Read("short"); errors.Is(err, store.ErrNotFound) {
				return
			}
			if time.Now().After(end) {
				t.Fatal("the record does not expire")
			}
		}
	})
}

// TestTables are kept apart.
func TestTables(t *testing.T) {
	each(t, func(t *testing.T, s store.Store) {
		if err := s.Write(&store.Record{Key: "k", Value: []byte("1")}, store.WriteTo("db", "one")); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read("k", store.ReadFrom("db", "one")); err != nil || string(got[0].Value) != "1" || got[0].Key != "k" {
			t.Errorf("got %v, %v", got, err)
		}
		for name, err := range map[string]error{
			"another table": second(s.Read("k", store.ReadFrom("db", "two"))), "the default": second(s.Read("k")),
			"another database": second(s.Read("k", store.ReadFrom("", "one"))),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: got error %v", name, err)
			}
		}
		if err := s.Delete("k", store.DeleteFrom("db", "one")); err != nil {
			t.Error(err)
		}
		if got, err := s.List(store.ListFrom("db", "one")); err != nil || len(got) > 0 {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func second(_ []*store.Record, err error) error { return err }

// TestWrong: what cannot be stored says why.
func TestWrong(t *testing.T) {
	s := stores(t)["kv"]
	for name, err := range map[string]error{
		"a slash":      s.Write(&store.Record{Key: "k"}, store.WriteTo("a/b", "")),
		"no key":       s.Write(&store.Record{Key: string(make([]byte, 2000))}),
		"expired":      s.Write(&store.Record{Key: "k"}, store.WriteExpiry(time.Now().Add(-time.Hour))),
		"not for JSON": s.Write(&store.Record{Key: "k", Metadata: map[string]any{"f": func() {}}}),
	} {
		if err == nil {
			t.Errorf("%s is stored", name)
		}
	}
	if s.String() != "kv" || s.Options().Table != "micro" || s.Init(store.Table("other")) != nil || s.Options().Table != "other" || s.Close() != nil {
		t.Errorf("got %s, %+v", s.String(), s.Options())
	}
}
