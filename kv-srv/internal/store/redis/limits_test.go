package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/redis"
)

// TestFull fills a Redis: what is refused is not done in part, and what makes room is.
func TestFull(t *testing.T) {
	s, _ := own(t, "--maxmemory", "12mb")
	events, _ := watch(t, s, 0)
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = s.Put(t.Context(), "ns", store.Write{Key: fmt.Sprint("k", n), Value: make([]byte, 100<<10), RequestID: fmt.Sprint(n)})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d items: got %v, want ErrFull", n, err)
	}
	refused := fmt.Sprint("k", n-1)
	for n, err = n-1, nil; err == nil; n++ { // there may be room for less
		refused = fmt.Sprint("k", n)
		_, _, err = s.Increment(t.Context(), "ns", store.Addition{Key: refused, RequestID: "n"})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("Increment: got %v, want ErrFull", err)
	}
	if _, err := s.Get(t.Context(), "ns", refused); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the item that was refused: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
	for i := range n - 1 {
		if e := next(t, events); e.Kind != store.Put || e.Item.Key != fmt.Sprint("k", i) {
			t.Fatalf("got %v of %s, want k%d", e.Kind, e.Item.Key, i)
		}
	}
	if deleted, err := s.DeletePrefix(t.Context(), "ns", ""); err != nil || deleted != n-1 {
		t.Fatalf("DeletePrefix: got %d, %v, want %d", deleted, err, n-1)
	}
	if _, err := s.Put(t.Context(), "ns", store.Write{Key: refused}); err != nil {
		t.Errorf("when there is room: %v", err)
	}
	for range n - 1 {
		if e := next(t, events); e.Kind != store.Deleted {
			t.Fatalf("got %v of %s, want a deletion", e.Kind, e.Item.Key)
		}
	}
	if e := next(t, events); e.Kind != store.Put || e.Item.Key != refused {
		t.Errorf("got %v of %s, want %s put", e.Kind, e.Item.Key, refused)
	}
}

func TestEvicts(t *testing.T) {
	s, _ := own(t, "--maxmemory", "12mb", "--maxmemory-policy", "allkeys-lru")
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "maxmemory-policy is allkeys-lru, want noeviction") {
		t.Errorf("got %v, want that this policy cannot be", err)
	}
}

// TestForgotten takes all from a Redis, as a master does that takes over without the last
// writes: a watcher is told, and no version is used again.
func TestForgotten(t *testing.T) {
	s, c := own(t)
	before := mustPut(t, s, store.Write{Key: "a", TTL: time.Hour})
	_, end := watch(t, s, 0)
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if after := mustPut(t, s, store.Write{Key: "a"}); after <= before {
		t.Errorf("version %d follows %d", after, before)
	}
	select {
	case err := <-end:
		if !errors.Is(err, store.ErrCompacted) {
			t.Errorf("the watch ended with %v, want ErrCompacted", err)
		}
	case <-time.After(patient):
		t.Error("the watch goes on as if nothing were gone")
	}
	stop := errors.New("stop")
	for from, want := range map[uint64]error{before: store.ErrCompacted, math.MaxUint64: store.ErrCompacted, 0: stop} {
		err := s.Watch(t.Context(), "ns", "", from, func(store.Event) error { return stop })
		if !errors.Is(err, want) {
			t.Errorf("Watch from %d: got %v, want %v", from, err, want)
		}
	}
	registered := func() bool { return c.SIsMember(t.Context(), "kv:namespaces", "ns").Val() }
	await(t, "the namespace is registered again", registered)
}

// TestLog makes more changes than the log keeps, in number and in bytes.
func TestLog(t *testing.T) {
	s, c := own(t)
	first := mustPut(t, s, store.Write{Key: "first"})
	for i := range 5000 {
		mustPut(t, s, store.Write{Key: "a", Value: strconv.AppendInt(nil, int64(i), 10)})
	}
	length := c.XLen(t.Context(), "kv:{ns}:log").Val()
	if length < 4096 || length > 4608 {
		t.Errorf("the log has %d changes, want 4096 and an eighth more at most", length)
	}
	if sizes := c.LLen(t.Context(), "kv:{ns}:sizes").Val(); sizes != length {
		t.Errorf("%d sizes of %d changes", sizes, length)
	}
	oldest, err := c.XRangeN(t.Context(), "kv:{ns}:log", "-", "+", 1).Result()
	if err != nil || len(oldest) != 1 {
		t.Fatal(oldest, err)
	}
	from, err := strconv.ParseUint(strings.TrimSuffix(oldest[0].ID, "-0"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err = s.Watch(t.Context(), "ns", "", first, func(store.Event) error { return stop })
	if !errors.Is(err, store.ErrCompacted) {
		t.Errorf("Watch from before the log: %v", err)
	}
	events, _ := watch(t, s, from)
	for i := 5000 - int(length) + 1; i < 5000; i++ {
		if e := next(t, events); string(e.Item.Value) != strconv.Itoa(i) {
			t.Fatalf("got value %s, want %d", e.Item.Value, i)
		}
	}
	for i := range 30 {
		mustPut(t, s, store.Write{Key: "b", Value: make([]byte, 1<<20)})
		if e := next(t, events); e.Item.Key != "b" || len(e.Item.Value) != 1<<20 {
			t.Fatalf("got %s of %d bytes, large change %d", e.Item.Key, len(e.Item.Value), i)
		}
	}
	if n := c.XLen(t.Context(), "kv:{ns}:log").Val(); n < 15 || n > 18 {
		t.Errorf("the log has %d changes of 1 MiB, want 16 MiB and an eighth more at most", n)
	}
}

// TestShared lets a second store tell the end of what the first, which is gone, has left.
func TestShared(t *testing.T) {
	s, c := own(t)
	first, err := redis.Open(t.Context(), &url.URL{Scheme: "redis", Host: c.Options().Addr})
	if err != nil {
		t.Fatal(err)
	}
	events, _ := watch(t, s, 0)
	mustPut(t, first, store.Write{Key: "a", TTL: 300 * time.Millisecond})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []store.Kind{store.Put, store.Expired} {
		if e := next(t, events); e.Kind != want || e.Item.Key != "a" {
			t.Fatalf("got %+v, want kind %d of a", e, want)
		}
	}
	for _, key := range []string{"kv:{ns}:keys", "kv:{ns}:ends"} {
		if n := c.ZCard(t.Context(), key).Val(); n != 0 {
			t.Errorf("%s has %d elements", key, n)
		}
	}
}

// TestOverwrittenEnd stores an item again that is past its time: the end is told first.
func TestOverwrittenEnd(t *testing.T) {
	s, _ := own(t)
	events, _ := watch(t, s, 0)
	for range 20 {
		mustPut(t, s, store.Write{Key: "a", TTL: 5 * time.Millisecond})
		await(t, "the end", func() bool {
			_, err := s.Get(t.Context(), "ns", "a")
			return errors.Is(err, store.ErrNotFound)
		})
		if e := next(t, events); e.Kind != store.Put {
			t.Fatalf("got %+v, want the item", e)
		}
		mustPut(t, s, store.Write{Key: "a"})
		for _, want := range []store.Kind{store.Expired, store.Put} {
			if e := next(t, events); e.Kind != want {
				t.Fatalf("got %+v, want kind %d", e, want)
			}
		}
	}
}

// TestSums adds in Redis as other backends do in Go.
func TestSums(t *testing.T) {
	s, _ := own(t)
	values := []string{
		"007", "+5", "-0", "+", "--1", "00", "-00012", "999999999999999", "1000000000000000", "-999999999999999",
		"9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "09223372036854775807",
		"9223372036854775808", "1" + strings.Repeat("0", 400), strings.Repeat("0", 1<<20), strings.Repeat("0", 1<<20-1) + "x", "1\n", "nan", "inf",
	}
	deltas := []int64{0, 1, -1, 7, 999999999999999, 1 << 53, -(1 << 53), math.MaxInt64, math.MinInt64}
	for _, value := range values {
		for _, delta := range deltas {
			mustPut(t, s, store.Write{Key: "n", Value: []byte(value)})
			got, _, err := s.Increment(t.Context(), "ns", store.Addition{Key: "n", Delta: delta})
			want, wantErr := store.Sum([]byte(value), delta)
			if got != want || !errors.Is(err, wantErr) {
				t.Errorf("%.30s and %d: got %d, %v, want %d, %v", value, delta, got, err, want, wantErr)
			}
			if wantErr != nil {
				continue
			}
			if item, err := s.Get(t.Context(), "ns", "n"); err != nil || string(item.Value) != strconv.FormatInt(want, 10) {
				t.Errorf("%.30s and %d: %q is stored, %v", value, delta, item.Value, err)
			}
		}
	}
}

// TestSilent lets a Redis take connections and say nothing.
func TestSilent(t *testing.T) {
	s, c := own(t)
	mustPut(t, s, store.Write{Key: "a"})
	if err := c.Do(t.Context(), "client", "pause", "60000", "all").Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Put(ctx, "ns", store.Write{Key: "a"})
	if err == nil || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil || !strings.Contains(err.Error(), "redis at "+c.Options().Addr) {
		t.Errorf("got %v, deadline %v, want the name of the server before the deadline", err, ctx.Err())
	}
}
