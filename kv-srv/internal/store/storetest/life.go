package storetest

import (
	"context"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func lifeTests() []test {
	return []test{
		{"Life/Ready", nil, func(k *kv) { k.wantError("Ready", k.store.Ready(k.Context()), nil) }},
		{"Life/CanceledContext", nil, canceledContext},
		{"Life/CloseEndsWatches", func(k *kv) error {
			ctx, cancel := context.WithTimeout(k.Context(), second)
			defer cancel()
			return k.store.Watch(ctx, k.ns, "", 0, func(store.Event) error { return nil })
		}, closeEndsWatches},
	}
}

func canceledContext(k *kv) {
	k.set("a", "1")
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	for op, call := range map[string]func() error{
		"Get":       func() error { _, err := k.store.Get(ctx, k.ns, "a"); return err },
		"Put":       func() error { _, err := k.store.Put(ctx, k.ns, store.Write{Key: "a"}); return err },
		"Delete":    func() error { return k.store.Delete(ctx, k.ns, store.Removal{Key: "a"}) },
		"Increment": func() error { _, _, err := k.store.Increment(ctx, k.ns, store.Addition{Key: "a"}); return err },
		"Touch":     func() error { _, err := k.store.Touch(ctx, k.ns, "a", time.Hour); return err },
		"List": func() error {
			_, err := k.store.List(ctx, k.ns, store.Query{Limit: 1, MaxBytes: 1})
			return err
		},
		"DeletePrefix": func() error { _, err := k.store.DeletePrefix(ctx, k.ns, "a"); return err },
		"Watch": func() error {
			return k.store.Watch(ctx, k.ns, "", 0, func(store.Event) error { return nil })
		},
	} {
		if err := call(); !unsupported(err) {
			k.wantError(op+" with a canceled context", err, context.Canceled)
		}
	}
	k.wantValue("a", "1")
}

func closeEndsWatches(k *kv) {
	w, o := k.watch("", 0), k.watch("a", 0)
	k.set("a", "v")
	k.clear(k.ns)
	k.closed = true
	if err := k.store.Close(); err != nil {
		k.Fatalf("Close: %v", err)
	}
	for _, w := range []*watcher{w, o} {
		if err := w.end(); err == nil {
			k.Fatal("a watch of a closed store returns nil")
		}
	}
}
