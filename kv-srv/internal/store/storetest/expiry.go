package storetest

import (
	"errors"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func expiryTests() []test {
	put := func(k *kv) error { return k.try(store.Write{Key: "a", TTL: second}) }
	touch := func(k *kv) error {
		_, err := k.store.Touch(k.Context(), k.ns, "a", time.Hour)
		return err
	}
	return []test{
		{"Expiry/Expires", put, expiryExpires},
		{"Expiry/NotServed", put, expiryNotServed},
		{"Expiry/IsGone", put, expiryIsGone},
		{"Touch/Missing", touch, touchMissing},
		{"Touch/TTL", touch, touchTTL},
		{"Touch/Outlives", touch, touchOutlives},
	}
}

// wantExpiry checks that a key expires a TTL after it was written, by a call that began
// before and ended now. A backend may round up to a second.
func (k *kv) wantExpiry(key string, before time.Time, ttl time.Duration) {
	k.Helper()
	got, now := k.get(key).Expires, time.Now()
	if got.Before(before.Add(ttl-skew)) || got.After(now.Add(ttl+second+skew)) {
		k.Fatalf("%q expires %v from now, want %v", key, got.Sub(now), ttl)
	}
}

// wantNear compares times that a backend may have rounded.
func (k *kv) wantNear(what string, got, want time.Time) {
	k.Helper()
	if got.Sub(want).Abs() > second {
		k.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// awaitEnd waits until a key is not served, and checks that it never is after its time.
func (k *kv) awaitEnd(key string) {
	k.Helper()
	k.eventually("expiry of "+key, func() bool {
		before := time.Now()
		item, err := k.store.Get(k.Context(), k.ns, key)
		if errors.Is(err, store.ErrNotFound) {
			return true
		}
		if err != nil {
			k.Fatalf("Get(%q): %v", key, err)
		}
		k.wantAlive(item, before)
		return false
	})
}

func (k *kv) wantAlive(item store.Item, asked time.Time) {
	k.Helper()
	if !item.Expires.IsZero() && asked.After(item.Expires.Add(skew)) {
		k.Fatalf("%q was served %v after its time", item.Key, asked.Sub(item.Expires))
	}
}

func expiryExpires(k *kv) {
	for _, ttl := range []time.Duration{second, time.Hour, 10 * 365 * 24 * time.Hour} {
		before := time.Now()
		k.put(store.Write{Key: "a", Value: []byte("v"), TTL: ttl})
		k.wantExpiry("a", before, ttl)
	}
	k.set("a", "v")
	if got := k.get("a").Expires; !got.IsZero() {
		k.Fatalf("a write without TTL expires at %v", got)
	}
}

func expiryNotServed(k *kv) {
	began := time.Now()
	for _, key := range []string{"a", "b", "c"} {
		k.put(store.Write{Key: key, Value: []byte("v"), TTL: second})
	}
	k.put(store.Write{Key: "longer", Value: []byte("v"), TTL: time.Minute})
	k.put(store.Write{Key: "forever", Value: []byte("v"), TTL: second})
	k.set("forever", "v")
	for _, key := range []string{"a", "b", "c"} {
		k.awaitEnd(key)
	}
	if lived := time.Since(began); lived < second-skew {
		k.Fatalf("expired after %v, before its time", lived)
	}
	k.wantValue("longer", "v")
	k.wantValue("forever", "v")
}

func expiryIsGone(k *kv) {
	keys := []string{"absent", "version", "delete", "touch", "number", "put"}
	last := make(map[string]uint64)
	for _, key := range keys {
		last[key] = k.put(store.Write{Key: key, Value: []byte("5"), TTL: second})
	}
	for _, key := range keys {
		k.awaitEnd(key)
	}
	// Each call but the first meets an item that is past its time for a moment only.
	attempt := func(op string, call func() error, want error) {
		k.Helper()
		if err := call(); !unsupported(err) {
			k.wantError(op, err, want)
		}
	}
	attempt("Put if absent", func() error {
		return k.try(store.Write{Key: "absent", IfAbsent: true})
	}, nil)
	attempt("Put if version", func() error {
		return k.try(store.Write{Key: "version", IfVersion: last["version"]})
	}, store.ErrVersion)
	attempt("Delete", func() error {
		return k.store.Delete(k.Context(), k.ns, store.Removal{Key: "delete"})
	}, store.ErrNotFound)
	attempt("Touch", func() error {
		_, err := k.store.Touch(k.Context(), k.ns, "touch", time.Hour)
		return err
	}, store.ErrNotFound)
	attempt("Increment", func() error {
		sum, version, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "number", Delta: 2})
		if err == nil && (sum != 2 || version <= last["number"]) {
			k.Fatalf("2 added to an expired item is %d of version %d, which was %d", sum, version, last["number"])
		}
		return err
	}, nil)
	k.wantLater("Put", k.set("put", "v"), last["put"])
	if item := k.get("put"); !item.Expires.IsZero() {
		k.Fatalf("a new item expires like the old one: %v", item.Expires)
	}
}

func touchMissing(k *kv) {
	_, err := k.store.Touch(k.Context(), k.ns, "nothing", time.Hour)
	k.wantError("Touch", err, store.ErrNotFound)
}

func touchTTL(k *kv) {
	k.put(store.Write{Key: "a", Value: []byte("v"), Metadata: map[string]string{"m": "1"}})
	before := time.Now()
	version := k.touch("a", time.Hour)
	k.wantExpiry("a", before, time.Hour)
	got := k.get("a")
	want := store.Item{Key: "a", Value: []byte("v"), Metadata: map[string]string{"m": "1"},
		Version: version, Updated: got.Updated, Expires: got.Expires}
	k.wantSame("touched item", got, want)
	before = time.Now()
	k.touch("a", time.Minute)
	k.wantExpiry("a", before, time.Minute)
	k.touch("a", 0)
	if got := k.get("a").Expires; !got.IsZero() {
		k.Fatalf("touched without TTL it expires at %v", got)
	}
}

func touchOutlives(k *kv) {
	k.put(store.Write{Key: "touched", Value: []byte("v"), TTL: second})
	k.put(store.Write{Key: "forever", Value: []byte("v"), TTL: second})
	k.touch("touched", time.Hour)
	k.touch("forever", 0)
	k.set("shorter", "v")
	k.touch("shorter", second)
	k.awaitEnd("shorter")
	k.wantValue("touched", "v")
	k.wantValue("forever", "v")
}
