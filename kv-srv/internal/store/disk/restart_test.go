package disk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// clock is a time that passes when the test says so.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func closeStore(t testing.TB, s *disk.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustPut(t testing.TB, s *disk.Store, namespace string, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), namespace, w)
	if err != nil {
		t.Fatalf("Put(%.40q): %v", w.Key, err)
	}
	return version
}

// changes returns n changes after a version.
func changes(t testing.TB, s *disk.Store, namespace string, from uint64, n int) ([]store.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stop := errors.New("all came")
	var events []store.Event
	err := s.Watch(ctx, namespace, "", from, func(e store.Event) error {
		if e.Kind != store.Progress {
			events = append(events, e)
		}
		if len(events) == n {
			return stop
		}
		return nil
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return events, err
}

func TestRestart(t *testing.T) {
	path, ctx, clock := t.TempDir(), t.Context(), newClock()
	s := open(t, path, disk.Options{Now: clock.now})
	first := mustPut(t, s, "ns", store.Write{Key: "a", Value: []byte("1"), Metadata: map[string]string{"m": "x"}, RequestID: "put"})
	mustPut(t, s, "ns", store.Write{Key: "a", Value: []byte("2"), TTL: time.Hour})
	mustPut(t, s, "ns", store.Write{Key: "short", TTL: time.Minute})
	mustPut(t, s, "ns", store.Write{Key: "gone"})
	if err := s.Delete(ctx, "ns", store.Removal{Key: "gone"}); err != nil {
		t.Fatal(err)
	}
	sum, counted, err := s.Increment(ctx, "ns", store.Addition{Key: "n", Delta: 5, RequestID: "add"})
	if err != nil {
		t.Fatal(err)
	}
	item, err := s.Get(ctx, "ns", "a")
	if err != nil {
		t.Fatal(err)
	}
	want, err := changes(t, s, "ns", first, 5)
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	clock.advance(2 * time.Minute) // past the time of one item
	s = open(t, path, disk.Options{Now: clock.now})
	defer closeStore(t, s)
	got, err := s.Get(ctx, "ns", "a")
	if diff := cmp.Diff(got, item); err != nil || diff != "" {
		t.Errorf("item: %v (-got +want)\n%s", err, diff)
	}
	if _, err := s.Get(ctx, "ns", "short"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an item past its time: got %v", err)
	}
	events, err := changes(t, s, "ns", first, 6)
	if err != nil || len(events) != 6 {
		t.Fatalf("changes since before the restart: got %+v, %v", events, err)
	}
	if diff := cmp.Diff(events[:5], want); diff != "" {
		t.Errorf("changes (-got +want)\n%s", diff)
	}
	if e := events[5]; e.Kind != store.Expired || e.Item.Key != "short" {
		t.Errorf("got %+v, want the end of an item", e)
	}
	version := mustPut(t, s, "ns", store.Write{Key: "a", Value: []byte("1"), RequestID: "put"})
	again, recounted, err := s.Increment(ctx, "ns", store.Addition{Key: "n", Delta: 5, RequestID: "add"})
	if version != first || again != sum || recounted != counted || err != nil {
		t.Errorf("the same requests: got %d, %d, %d, %v, want %d, %d, %d", version, again, recounted, err, first, sum, counted)
	}
	if next := mustPut(t, s, "ns", store.Write{Key: "b"}); next <= events[5].Version {
		t.Errorf("version %d does not follow %d", next, events[5].Version)
	}
}

func TestRequestsAreForgotten(t *testing.T) {
	path, clock := t.TempDir(), newClock()
	var first uint64
	for _, c := range []struct {
		after time.Duration
		same  bool
	}{{0, true}, {store.RequestMemory - time.Second, true}, {2*store.RequestMemory + time.Second, false}} {
		clock.advance(c.after)
		s := open(t, path, disk.Options{Now: clock.now})
		version := mustPut(t, s, "ns", store.Write{Key: "a", RequestID: "id"})
		if first == 0 {
			first = version
		}
		if (version == first) != c.same {
			t.Errorf("%v later: got version %d, at first %d", c.after, version, first)
		}
		closeStore(t, s)
	}
}

// TestHistoryIsBounded writes more than is kept, and watches from before, also after a
// restart.
func TestHistoryIsBounded(t *testing.T) {
	path := t.TempDir()
	opts := disk.Options{History: 256 << 10}
	s := open(t, path, opts)
	defer func() { closeStore(t, s) }()
	quiet := mustPut(t, s, "quiet", store.Write{Key: "a"})
	mustPut(t, s, "quiet", store.Write{Key: "b"})
	old := mustPut(t, s, "ns", store.Write{Key: "a"})
	var recent uint64
	for range 600 {
		recent = mustPut(t, s, "ns", store.Write{Key: "a", Value: make([]byte, 1000)})
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := changes(t, s, "ns", old, 1)
		if errors.Is(err, store.ErrCompacted) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("600 KB of changes are kept in 256 KiB: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	closeStore(t, s)
	s = open(t, path, opts)
	if _, err := changes(t, s, "ns", old, 1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("after a restart: got %v, want %v", err, store.ErrCompacted)
	}
	mustPut(t, s, "ns", store.Write{Key: "end"})
	if events, err := changes(t, s, "ns", recent, 1); err != nil || events[0].Item.Key != "end" {
		t.Errorf("from the last version: got %+v, %v", events, err)
	}
	if events, err := changes(t, s, "quiet", quiet, 1); err != nil || events[0].Item.Key != "b" {
		t.Errorf("a quiet namespace: got %+v, %v", events, err)
	}
	if _, err := changes(t, s, "ns", recent+1<<40, 1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("from a version to come: got %v, want %v", err, store.ErrCompacted)
	}
}

func TestSchema(t *testing.T) {
	for text, want := range map[string]string{
		"2\n": "says version 2, and this program knows 1 at most", "0\n": `is damaged: it has "0"`, "x": `is damaged: it has "x"`, "": "SCHEMA",
	} {
		path := t.TempDir()
		closeStore(t, open(t, path, disk.Options{}))
		name := filepath.Join(path, "SCHEMA")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := disk.Open(t.Context(), path, disk.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("SCHEMA %q: got %v, want %s", text, err, want)
		}
	}
	path := t.TempDir()
	closeStore(t, open(t, path, disk.Options{}))
	if err := os.Remove(filepath.Join(path, "SCHEMA")); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Open(t.Context(), path, disk.Options{}); err == nil || !strings.Contains(err.Error(), "SCHEMA is missing") {
		t.Errorf("no SCHEMA: got %v", err)
	}
}

// TestDamage turns a byte in the middle of each file that has data.
func TestDamage(t *testing.T) {
	made := t.TempDir()
	s := open(t, made, disk.Options{})
	var group sync.WaitGroup
	for i := range 3000 {
		group.Go(func() {
			if _, err := s.Put(t.Context(), "old", store.Write{Key: fmt.Sprint(i), Value: make([]byte, 2000)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range 200 {
		mustPut(t, s, "ns", store.Write{Key: fmt.Sprintf("%04d", i), Value: []byte(strings.Repeat(strconv.Itoa(i), 500))})
	}
	awaitFlushes(t, made)
	for kind, at := range map[string]int{"MANIFEST-*": 100, "*.log": 2000, "*.sst": 5000} {
		t.Run(kind[:3], func(t *testing.T) {
			var path string
			for err := os.ErrNotExist; err != nil; { // as a killed process leaves it, but for files that go meanwhile
				path = t.TempDir()
				if err = os.CopyFS(path, os.DirFS(made)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			name := turn(t, path, kind, at)
			err := readAll(t, path)
			t.Logf("%v", err)
			number := strings.TrimLeft(regexp.MustCompile("[0-9]+").FindString(filepath.Base(name)), "0")
			if err == nil || !strings.Contains(err.Error(), number) {
				t.Errorf("%s is damaged: got %v", name, err)
			}
		})
	}
	closeStore(t, s)
}

// awaitFlushes waits until the list of files has more than its last entry behind byte 100:
// one that is damaged cannot be told from one that a crash has cut off.
func awaitFlushes(t *testing.T, path string) {
	t.Helper()
	for late := time.After(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		names, err := filepath.Glob(filepath.Join(path, "MANIFEST-*"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no list of files: %v", err)
		}
		info, err := os.Stat(slices.Max(names))
		if err != nil {
			t.Fatal(err)
		}
		size := info.Size()
		if size > 200 {
			return
		}
		select {
		case <-late:
			t.Fatalf("nothing was flushed: %d bytes", size)
		default:
		}
	}
}

// turn turns a byte in the newest file of a kind, and returns its name.
func turn(t *testing.T, path, kind string, at int) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, kind))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s: %v", kind, err)
	}
	name := slices.Max(names)
	b, err := os.ReadFile(name)
	if err != nil || len(b) <= at {
		t.Fatalf("%s has %d bytes: %v", name, len(b), err)
	}
	b[at] ^= 0xff
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func readAll(t *testing.T, path string) error {
	t.Helper()
	s, err := disk.Open(t.Context(), path, disk.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	for _, ns := range []string{"ns", "old"} {
		for from := ""; ; {
			page, err := s.List(t.Context(), ns, store.Query{After: from, Limit: 1000, MaxBytes: 3 << 20})
			if err != nil {
				return err
			}
			if !page.More {
				break
			}
			from = page.Items[len(page.Items)-1].Key
		}
	}
	return nil
}

func TestCloseLeaksNothing(t *testing.T) {
	current := goleak.IgnoreCurrent()
	s := open(t, t.TempDir(), disk.Options{})
	result := make(chan error, 10)
	for range 10 {
		mustPut(t, s, "ns", store.Write{Key: "a", TTL: time.Hour})
		go func() {
			result <- s.Watch(t.Context(), "ns", "", 0, func(store.Event) error { return nil })
		}()
	}
	closeStore(t, s)
	for range 10 {
		if err := <-result; err == nil {
			t.Error("a watch of a closed store returns nil")
		}
	}
	goleak.VerifyNone(t, current)
}

// TestIdleStoreSleeps counts how often the store looks at the clock.
func TestIdleStoreSleeps(t *testing.T) {
	var looks atomic.Int64
	s := open(t, t.TempDir(), disk.Options{Now: func() time.Time {
		looks.Add(1)
		return time.Now()
	}})
	defer closeStore(t, s)
	mustPut(t, s, "ns", store.Write{Key: "a", TTL: time.Hour})
	time.Sleep(300 * time.Millisecond)
	before := looks.Load()
	time.Sleep(300 * time.Millisecond)
	if n := looks.Load() - before; n > 3 {
		t.Errorf("an idle store looked at the clock %d times", n)
	}
}

// TestOverwrittenEndsNot: an item that is written anew without an end stays, also across
// a restart, and nobody is told that it expired.
func TestOverwrittenEndsNot(t *testing.T) {
	path, clock := t.TempDir(), newClock()
	s := open(t, path, disk.Options{Now: clock.now})
	first := mustPut(t, s, "ns", store.Write{Key: "a", TTL: time.Minute})
	mustPut(t, s, "ns", store.Write{Key: "a", Value: []byte("v")})
	mustPut(t, s, "ns", store.Write{Key: "b", TTL: time.Minute})
	closeStore(t, s)
	clock.advance(time.Hour)
	s = open(t, path, disk.Options{Now: clock.now})
	defer closeStore(t, s)
	events, err := changes(t, s, "ns", first, 3)
	if err != nil || events[2].Kind != store.Expired || events[2].Item.Key != "b" {
		t.Fatalf("got %+v, %v, want the end of b alone", events, err)
	}
	if item, err := s.Get(t.Context(), "ns", "a"); err != nil || string(item.Value) != "v" {
		t.Errorf("got %+v, %v", item, err)
	}
	if n := s.Stats().Expired; n != 1 {
		t.Errorf("%d items expired, want 1", n)
	}
}
