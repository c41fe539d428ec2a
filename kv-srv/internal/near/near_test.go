package near_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/kv-srv/internal/near"
)

// live returns a cache that a watch keeps.
func live(size int64) (*near.Cache, *near.Watch) {
	c := near.New(size)
	w := c.Begin()
	w.See(near.Event{Progress: true})
	return c, w
}

func item(key string, version uint64, value []byte) near.Item {
	return near.Item{Key: key, Version: version, Value: value}
}

func put(key string, version uint64) near.Event {
	return near.Event{Item: item(key, version, nil)}
}

func gone(key string, version uint64) near.Event {
	return near.Event{Gone: true, Item: near.Item{Key: key, Version: version}}
}

// version is that of what is kept, 0 if nothing is.
func version(c *near.Cache, key string) uint64 {
	i, _ := c.Get(key)
	return i.Version
}

// TestAnswers has an answer of version 5 come back after something has happened: before it
// is asked for, and while it is under way.
func TestAnswers(t *testing.T) {
	tests := map[string]struct {
		before, meanwhile func(*near.Cache, *near.Watch)
		want              uint64 // what is kept then
	}{
		"nothing":                 {want: 5},
		"an older change":         {meanwhile: see(put("k", 4)), want: 5},
		"this change":             {meanwhile: see(put("k", 5)), want: 5},
		"a newer change":          {meanwhile: see(put("k", 6))},
		"it is gone since":        {meanwhile: see(gone("k", 6))},
		"it was gone before":      {meanwhile: see(gone("k", 4)), want: 5},
		"another key":             {meanwhile: see(put("l", 6)), want: 5},
		"told of a newer one":     {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Told("k", 6) }},
		"told of an older one":    {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Told("k", 4) }, want: 5},
		"written":                 {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Drop("j", "k") }},
		"another one written":     {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Drop("j", "l") }, want: 5},
		"prefix deleted":          {meanwhile: func(c *near.Cache, _ *near.Watch) { c.DropPrefix("k") }},
		"all deleted":             {meanwhile: func(c *near.Cache, _ *near.Watch) { c.DropPrefix("") }},
		"another prefix":          {meanwhile: func(c *near.Cache, _ *near.Watch) { c.DropPrefix("k/") }, want: 5},
		"a newer answer":          {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Done(item("k", 6, nil)) }, want: 6},
		"an older answer":         {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Done(item("k", 4, nil)) }, want: 5},
		"answered: there is none": {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Missing() }},
		"another one failed":      {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Failed() }, want: 5},
		"the watch ended":         {meanwhile: func(_ *near.Cache, w *near.Watch) { w.End() }},
		"another watch begun":     {meanwhile: func(c *near.Cache, _ *near.Watch) { c.Begin().See(near.Event{Progress: true}) }},
		"asked before the watch": {
			before:    func(_ *near.Cache, w *near.Watch) { w.End() },
			meanwhile: func(c *near.Cache, _ *near.Watch) { c.Begin().See(near.Event{Progress: true}) },
		},
		"kept, and changed before": {
			before: func(c *near.Cache, w *near.Watch) {
				c.Fetch("k").Done(item("k", 3, nil))
				w.See(put("k", 5))
			},
			want: 5,
		},
		"the service has lost a newer one": {
			before: func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Done(item("k", 7, nil)) },
			want:   5,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, w := live(1 << 20)
			if tt.before != nil {
				tt.before(c, w)
			}
			f := c.Fetch("k")
			if tt.meanwhile != nil {
				tt.meanwhile(c, w)
			}
			f.Done(item("k", 5, nil))
			if got := version(c, "k"); got != tt.want {
				t.Errorf("version %d is kept, want %d", got, tt.want)
			}
		})
	}
}

func see(e near.Event) func(*near.Cache, *near.Watch) {
	return func(_ *near.Cache, w *near.Watch) { w.See(e) }
}

// TestChanges has something happen to version 5, which is kept.
func TestChanges(t *testing.T) {
	tests := map[string]struct {
		do   func(*near.Cache, *near.Watch)
		want uint64
	}{
		"nothing":          {func(*near.Cache, *near.Watch) {}, 5},
		"an older change":  {see(put("k", 4)), 5},
		"a newer change":   {see(put("k", 6)), 6},
		"it is gone":       {see(gone("k", 6)), 0},
		"it was gone":      {see(gone("k", 4)), 5},
		"progress":         {see(near.Event{Progress: true}), 5},
		"told of a newer":  {func(c *near.Cache, _ *near.Watch) { c.Told("k", 6) }, 0},
		"told of it":       {func(c *near.Cache, _ *near.Watch) { c.Told("k", 5) }, 5},
		"told of an older": {func(c *near.Cache, _ *near.Watch) { c.Told("k", 4) }, 5},
		"written":          {func(c *near.Cache, _ *near.Watch) { c.Drop("k") }, 0},
		"prefix deleted":   {func(c *near.Cache, _ *near.Watch) { c.DropPrefix("k") }, 0},
		"another prefix":   {func(c *near.Cache, _ *near.Watch) { c.DropPrefix("l") }, 5},
		"a failed fetch":   {func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Failed() }, 5},
		"there is none":    {func(c *near.Cache, _ *near.Watch) { c.Fetch("k").Missing() }, 0},
		"the watch ends":   {func(_ *near.Cache, w *near.Watch) { w.End() }, 0},
		"an old watch goes on": {func(c *near.Cache, w *near.Watch) {
			c.Begin()
			w.See(near.Event{Progress: true})
			c.Fetch("k").Done(item("k", 6, nil))
		}, 0},
		"an old watch ends": {func(c *near.Cache, w *near.Watch) {
			c.Begin().See(near.Event{Progress: true})
			c.Fetch("k").Done(item("k", 6, nil))
			w.End()
		}, 6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, w := live(1 << 20)
			c.Fetch("k").Done(item("k", 5, nil))
			tt.do(c, w)
			if got := version(c, "k"); got != tt.want {
				t.Errorf("version %d is kept, want %d", got, tt.want)
			}
			if s := c.Stats(); (s.Items > 0) != (tt.want > 0) || (s.Bytes > 0) != (tt.want > 0) {
				t.Errorf("holds %d items of %d bytes", s.Items, s.Bytes)
			}
		})
	}
}

// TestBound: what came by a fetch is returned for 30 seconds from its beginning, whatever
// the watch says.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := live(1 << 20)
		slow, quick := c.Fetch("slow"), c.Fetch("changed")
		time.Sleep(10 * time.Second)
		slow.Done(item("slow", 1, nil))
		quick.Done(item("changed", 1, nil))
		time.Sleep(20*time.Second - 1)
		w.See(put("changed", 2))
		w.See(near.Event{Progress: true})
		if version(c, "slow") != 1 || version(c, "changed") != 2 {
			t.Errorf("got %d and %d before the bound, want 1 and 2", version(c, "slow"), version(c, "changed"))
		}
		time.Sleep(time.Nanosecond)
		if version(c, "slow") != 0 || version(c, "changed") != 0 {
			t.Errorf("got %d and %d after 30s", version(c, "slow"), version(c, "changed"))
		}
		c.Fetch("slow").Done(item("slow", 1, nil))
		if version(c, "slow") != 1 {
			t.Error("what is fetched again is not kept")
		}
		want := near.Stats{Hits: 3, Misses: 2, Items: 2, Live: true}
		got := c.Stats()
		got.Bytes = 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Stats (-want +got):\n%s", diff)
		}
	})
}

// TestExpires: an item is not returned past its time, which an event may change.
func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := live(1 << 20)
		c.Fetch("k").Done(near.Item{Key: "k", Version: 1, Expires: time.Now().Add(time.Second)})
		c.Fetch("l").Done(near.Item{Key: "l", Version: 1, Expires: time.Now().Add(time.Hour)})
		time.Sleep(time.Second - 1)
		if version(c, "k") != 1 {
			t.Error("gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if version(c, "k") != 0 {
			t.Error("returned past its time")
		}
		w.See(near.Event{Item: near.Item{Key: "l", Version: 2, Expires: time.Now().Add(time.Second)}})
		if version(c, "l") != 2 {
			t.Error("the change is not there")
		}
		time.Sleep(time.Second)
		if version(c, "l") != 0 {
			t.Error("returned past the time that it was given later")
		}
	})
}

// TestOwned: who gave an item may change it, and who gets one may append to its value.
func TestOwned(t *testing.T) {
	c, w := live(1 << 20)
	want := near.Item{Key: "k", Version: 1, Value: []byte("value"), Metadata: map[string]string{"a": "b"}}
	given := near.Item{Key: "k", Version: 1, Value: []byte("value"), Metadata: map[string]string{"a": "b"}}
	spoil := func(i near.Item) {
		copy(i.Value, "spoil")
		i.Metadata["a"] = "spoilt"
	}
	check := func(from string) {
		t.Helper()
		var appended [2][]byte
		for n := range appended {
			got, _ := c.Get("k")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", from, diff)
			}
			appended[n] = append(got.Value, byte('0'+n))
		}
		if got := string(appended[0]); got != string(want.Value)+"0" {
			t.Errorf("after %s: what one caller has appended is %q, after another one has", from, got)
		}
	}
	c.Fetch("k").Done(given)
	spoil(given)
	check("a fetch")
	given = near.Item{Key: "k", Version: 2, Value: []byte("other"), Metadata: map[string]string{}}
	want = near.Item{Key: "k", Version: 2, Value: []byte("other"), Metadata: map[string]string{}}
	w.See(near.Event{Item: given})
	spoil(given)
	check("a change")
}

// TestSize fills a cache over and over.
func TestSize(t *testing.T) {
	const size = 4 << 20
	for name, i := range map[string]near.Item{
		"small":    {Value: make([]byte, 100)},
		"empty":    {},
		"metadata": {Metadata: map[string]string{strings.Repeat("a", 20): strings.Repeat("b", 50)}},
		"words":    {Metadata: words(64)},
		"large":    {Value: make([]byte, 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			c, _ := live(size)
			for n := range 3 * size / (300 + len(i.Value)) {
				key := fmt.Sprintf("key/%d", n)
				i.Key, i.Version = key, 1
				if i.Metadata != nil {
					i.Metadata = fresh(i.Metadata)
				}
				c.Fetch(key).Done(i)
				if got := c.Stats().Bytes; n%100 == 0 && got > size {
					t.Fatalf("%d bytes after %d items", got, n)
				}
			}
			s := c.Stats()
			if s.Bytes > size || s.Bytes < size*3/4 {
				t.Errorf("holds %d bytes, want %d or a little less", s.Bytes, size)
			}
			if took := heap() - before; took > size*5/4 {
				t.Errorf("%d items take %d bytes of memory, want about %d", s.Items, took, size)
			}
			runtime.KeepAlive(c)
		})
	}
	c, _ := live(1000)
	c.Fetch("k").Done(item("k", 1, make([]byte, 1000)))
	if version(c, "k") != 0 {
		t.Error("keeps an item that is larger than the cache")
	}
}

func words(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("word-%d", i)] = "w"
	}
	return m
}

// fresh has strings of its own, as what comes from a service has.
func fresh(m map[string]string) map[string]string {
	to := make(map[string]string, len(m))
	for k, v := range m {
		to[string(bytes.Clone([]byte(k)))] = string(bytes.Clone([]byte(v)))
	}
	return to
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestNone: no cache is one that keeps nothing.
func TestNone(t *testing.T) {
	var c *near.Cache
	c.Fetch("k").Done(item("k", 1, nil))
	c.Fetch("k").Failed()
	c.Fetch("k").Missing()
	c.Told("k", 1)
	c.Drop("k")
	c.DropPrefix("")
	if i, ok := c.Get("k"); ok || c.Stats() != (near.Stats{}) {
		t.Errorf("got %+v, %+v", i, c.Stats())
	}
}
