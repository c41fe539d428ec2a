package storetest

import (
	"errors"
	"strconv"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func watchTests() []test {
	stop := errors.New("stop")
	probe := func(k *kv) error {
		return k.store.Watch(k.Context(), k.ns, "", 0, func(store.Event) error { return stop })
	}
	return []test{
		{"Watch/Changes", probe, watchChanges},
		{"Watch/Increment", probe, watchIncrement},
		{"Watch/Touch", probe, watchTouch},
		{"Watch/Expired", probe, watchExpired},
		{"Watch/DeletePrefix", probe, watchDeletePrefix},
		{"Watch/NoChange", probe, watchNoChange},
		{"Watch/Prefix", probe, watchPrefix},
		{"Watch/Namespaces", probe, watchNamespaces},
		{"Watch/Replay", probe, watchReplay},
		{"Watch/Resume", probe, watchResume},
		{"Watch/FromEmptyPage", probe, watchFromEmptyPage},
		{"Watch/TooOld", probe, watchTooOld},
		{"Watch/ContextEnds", probe, watchContextEnds},
		{"Watch/EmitFails", probe, watchEmitFails},
		{"Watch/Slow", probe, watchSlow},
		{"Watch/Concurrent", probe, watchConcurrent},
		{"Watch/FromPage", probe, watchFromPage},
	}
}

func watchChanges(k *kv) {
	w := k.watch("", 0)
	k.put(store.Write{Key: "a", Value: []byte("1"), Metadata: map[string]string{"m": "x"}, TTL: time.Hour})
	w.wantPut(k.get("a"))
	k.set("a", "2")
	w.wantPut(k.get("a"))
	k.delete("a")
	w.wantGone(store.Deleted, "a")
	k.put(store.Write{Key: "a", IfAbsent: true})
	w.wantPut(k.get("a"))
}

func watchIncrement(k *kv) {
	w := k.watch("", 0)
	for range 2 {
		if _, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "n", Delta: 2}); unsupported(err) {
			k.Skip(err)
		}
		w.wantPut(k.get("n"))
	}
}

func watchTouch(k *kv) {
	k.set("a", "1")
	w := k.watch("", 0)
	if _, err := k.store.Touch(k.Context(), k.ns, "a", time.Hour); unsupported(err) {
		k.Skip(err)
	}
	w.wantPut(k.get("a"))
}

func watchExpired(k *kv) {
	w := k.watch("", 0)
	k.put(store.Write{Key: "a", Value: []byte("1"), TTL: second})
	item := k.get("a")
	w.wantPut(item)
	w.wantGone(store.Expired, "a")
	if now := time.Now(); now.Before(item.Expires.Add(-skew)) {
		k.Fatalf("expired %v before its time", item.Expires.Sub(now))
	}
	k.wantMissing("a")
	k.set("a", "2")
	w.wantPut(k.get("a"))
}

func watchDeletePrefix(k *kv) {
	for _, key := range []string{"a/1", "a/2", "a/3", "b"} {
		k.set(key, "v")
	}
	w := k.watch("", 0)
	n, err := k.store.DeletePrefix(k.Context(), k.ns, "a/")
	if unsupported(err) {
		k.Skip(err)
	}
	if n != 3 || err != nil {
		k.Fatalf("DeletePrefix: got %d, %v", n, err)
	}
	gone := make(map[string]bool)
	for range 3 {
		e := w.next()
		if e.Kind != store.Deleted {
			k.Fatalf("got %+v, want a deletion", e)
		}
		gone[e.Item.Key] = true
	}
	k.wantSame("deleted keys", gone, map[string]bool{"a/1": true, "a/2": true, "a/3": true})
}

func watchNoChange(k *kv) {
	k.set("a", "1")
	w := k.watch("", 0)
	for op, err := range map[string]error{
		"creation":    k.try(store.Write{Key: "a", IfAbsent: true}),
		"replacement": k.try(store.Write{Key: "b", IfVersion: 1}),
		"deletion":    k.store.Delete(k.Context(), k.ns, store.Removal{Key: "b"}),
	} {
		if err == nil {
			k.Fatalf("%s succeeded", op)
		}
	}
	for range 2 {
		if err := k.try(store.Write{Key: "c", RequestID: "id"}); unsupported(err) {
			k.set("c", "")
			break
		}
	}
	k.set("end", "")
	if events := w.until("end"); len(events) != 1 || events[0].Item.Key != "c" {
		k.Fatalf("one change made these events: %+v", events)
	}
}

func watchPrefix(k *kv) {
	all, some, odd := k.watch("", 0), k.watch("b/", 0), k.watch("\U0010ffff", 0)
	keys := []string{"a", "b", "b/1", "b/", "b0", "c", "\U0010ffff", "\U0010ffffx", "b*", "b/end"}
	for _, key := range keys {
		k.set(key, "v")
	}
	for _, key := range keys {
		all.wantPut(k.get(key))
	}
	for _, key := range []string{"b/1", "b/", "b/end"} {
		some.wantPut(k.get(key))
	}
	for _, key := range []string{"\U0010ffff", "\U0010ffffx"} {
		odd.wantPut(k.get(key))
	}
}

func watchNamespaces(k *kv) {
	o := k.other()
	w, ow := k.watch("", 0), o.watch("", 0)
	o.set("a", "there")
	k.set("2/a", "here")
	k.set("a", "here")
	o.set("b", "there")
	w.wantPut(k.get("2/a"))
	w.wantPut(k.get("a"))
	ow.wantPut(o.get("a"))
	ow.wantPut(o.get("b"))
}

func watchReplay(k *kv) {
	first := k.watch("", 0)
	k.set("a", "1")
	from := first.next().Version
	k.set("a", "2")
	k.set("b", "1")
	k.delete("a")
	late := k.watch("", from)
	k.set("c", "1")
	for _, w := range []*watcher{first, late} {
		if e := w.next(); e.Kind != store.Put || e.Item.Key != "a" || string(e.Item.Value) != "2" {
			k.Fatalf("got %+v, want the second value of a", e)
		}
		w.wantPut(k.get("b"))
		w.wantGone(store.Deleted, "a")
		w.wantPut(k.get("c"))
	}
}

func watchResume(k *kv) {
	w := k.watch("", 0)
	for _, key := range []string{"a", "b", "c", "d"} {
		k.set(key, "v")
	}
	k.delete("a")
	if _, err := k.store.DeletePrefix(k.Context(), k.ns, ""); err != nil && !unsupported(err) {
		k.Fatalf("DeletePrefix: %v", err)
	}
	k.set("end", "v")
	events := w.until("end")
	for i, e := range events {
		resumed := k.watch("", e.Version)
		k.wantSame("changes after "+strconv.Itoa(i), resumed.until("end"), events[i+1:])
	}
}
