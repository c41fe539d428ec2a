package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func watchFromEmptyPage(k *kv) {
	page, err := k.store.List(k.Context(), k.ns, store.Query{Limit: 1, MaxBytes: 1})
	if unsupported(err) {
		k.Skip(err)
	}
	k.wantError("List", err, nil)
	if page.Version == 0 {
		k.Fatal("a page has version 0, from which a watch would miss changes")
	}
	k.set("a", "1")
	k.watch("", page.Version).wantPut(k.get("a"))
}

// watchTooOld makes many changes: who watches from before them gets each, or is told.
func watchTooOld(k *kv) {
	const writers, each = 16, 400
	w := k.watch("mark", 0)
	k.set("mark", "v")
	from := w.next().Version
	k.together(writers, func(i int) error {
		for j := range each {
			if err := k.try(store.Write{Key: "k" + strconv.Itoa(i), Value: strconv.AppendInt(nil, int64(j), 10)}); err != nil {
				return err
			}
		}
		return nil
	})
	stop := errors.New("all changes came")
	var seen int
	err := k.store.Watch(k.Context(), k.ns, "k", from, func(e store.Event) error {
		if e.Kind == store.Put {
			seen++
		}
		if seen == writers*each {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) && (seen > 0 || !errors.Is(err, store.ErrCompacted)) {
		k.Fatalf("a watch from an old version: got %d of %d changes, then %v", seen, writers*each, err)
	}
}

func watchContextEnds(k *kv) {
	w := k.watch("", 0)
	w.cancel()
	k.wantError("Watch", w.end(), context.Canceled)

	ctx, cancel := context.WithTimeout(k.Context(), 20*time.Millisecond)
	defer cancel()
	err := k.store.Watch(ctx, k.ns, "", 0, func(store.Event) error { return nil })
	k.wantError("Watch", err, context.DeadlineExceeded)
}

func watchEmitFails(k *kv) {
	stop := errors.New("stop")
	err := k.store.Watch(k.Context(), k.ns, "", 0, func(store.Event) error { return stop })
	k.wantError("Watch whose first event fails", err, stop)

	ready := make(chan struct{})
	begun := sync.OnceFunc(func() { close(ready) })
	result := make(chan error, 1)
	go func() {
		result <- k.store.Watch(k.Context(), k.ns, "", 0, func(e store.Event) error {
			begun()
			if e.Kind == store.Progress {
				return nil
			}
			return stop
		})
	}()
	<-ready
	k.set("a", "v")
	select {
	case err := <-result:
		k.wantError("Watch", err, stop)
	case <-time.After(patient):
		k.Fatal("a watch goes on after emit failed")
	}
}

// watchSlow holds a watcher up: writers must not wait for it, and it must get all
// changes or be told that it cannot.
func watchSlow(k *kv) {
	const writes = 3000
	ready, release := make(chan struct{}), make(chan struct{})
	stop := errors.New("all changes came")
	var seen atomic.Int64
	result := make(chan error, 1)
	go func() {
		result <- k.store.Watch(k.Context(), k.ns, "", 0, func(e store.Event) error {
			if e.Kind == store.Progress {
				return nil
			}
			if seen.Add(1) == 1 {
				close(ready)
				<-release
			}
			if e.Item.Key == "end" {
				return stop
			}
			return nil
		})
	}()
	k.eventually("the first event", func() bool {
		k.set("first", "v")
		return seen.Load() > 0
	})
	<-ready
	before := seen.Load()
	k.together(10, func(i int) error {
		for range writes / 10 {
			if err := k.try(store.Write{Key: strconv.Itoa(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	k.set("end", "v")
	close(release)
	select {
	case err := <-result:
		lost := errors.Is(err, store.ErrLagging) || errors.Is(err, store.ErrCompacted)
		if !lost && (!errors.Is(err, stop) || seen.Load() < before+writes) {
			k.Fatalf("a slow watch got %d of %d changes, then %v", seen.Load(), writes, err)
		}
	case <-time.After(patient):
		k.Fatal("a slow watch does not go on")
	}
}
