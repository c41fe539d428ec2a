package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// several is more than any backend answers at once.
const several = 300

func getAllTests() []test {
	return []test{
		{"GetAll/Nothing", nil, func(k *kv) {
			if items := k.getAll(); len(items) != 0 {
				k.Fatalf("got %v for no key", items)
			}
		}},
		{"GetAll/Order", nil, getAllOrder},
		{"GetAll/Keys", nil, getAllKeys},
		{"GetAll/Many", nil, getAllMany},
		{"GetAll/Expired", func(k *kv) error { return k.try(store.Write{Key: "a", TTL: second}) }, getAllExpired},
		{"GetAll/Canceled", nil, func(k *kv) {
			ctx, cancel := context.WithCancel(k.Context())
			cancel()
			err := store.GetAll(ctx, k.store, k.ns, []string{"a"}, make([]store.Item, 1))
			k.wantError("GetAll", err, context.Canceled)
		}},
	}
}

func putAllTests() []test {
	return []test{
		{"PutAll/Nothing", nil, func(k *kv) {
			if all := k.putAll(); len(all) != 0 {
				k.Fatalf("got %v for no write", all)
			}
		}},
		{"PutAll/Order", nil, putAllOrder},
		{"PutAll/Refused", func(k *kv) error { return k.try(store.Write{Key: "a", IfVersion: 1}) }, putAllRefused},
		{"PutAll/Canceled", nil, func(k *kv) {
			ctx, cancel := context.WithCancel(k.Context())
			cancel()
			all, err := store.PutAll(ctx, k.store, k.ns, []store.Write{{Key: "a"}})
			k.wantError("PutAll", err, context.Canceled)
			if len(all) > 0 {
				k.Errorf("got %v beside the error", all)
			}
		}},
	}
}

func (k *kv) putAll(writes ...store.Write) []store.Written {
	k.Helper()
	all, err := store.PutAll(k.Context(), k.store, k.ns, writes)
	if err != nil {
		k.Fatalf("PutAll of %d writes: %v", len(writes), err)
	}
	if len(all) != len(writes) {
		k.Fatalf("PutAll of %d writes: got %d answers", len(writes), len(all))
	}
	return all
}

// putAllOrder writes one key twice.
func putAllOrder(k *kv) {
	k.set("a", "0")
	all := k.putAll(
		store.Write{Key: "b", Value: []byte("1")}, store.Write{Key: "a", Value: []byte("2")},
		store.Write{Key: "c"}, store.Write{Key: "a", Value: []byte("3")})
	for i, w := range all {
		if w.Err != nil {
			k.Fatalf("write %d: %v", i, w.Err)
		}
	}
	k.wantLater("the second write of a key", all[3].Version, all[1].Version)
	for key, i := range map[string]int{"b": 0, "c": 2, "a": 3} {
		k.wantSame("version of "+key, k.get(key).Version, all[i].Version)
	}
	k.wantValue("a", "3")
	k.wantValue("b", "1")
	k.wantValue("c", "")
}

// putAllRefused: a write that is refused stops no other.
func putAllRefused(k *kv) {
	version := k.set("a", "0")
	all := k.putAll(
		store.Write{Key: "a", Value: []byte("1"), IfAbsent: true}, store.Write{Key: "b", Value: []byte("1")},
		store.Write{Key: "a", Value: []byte("2"), IfVersion: version}, store.Write{Key: "a", Value: []byte("3"), IfVersion: version})
	k.wantError("write 0", all[0].Err, store.ErrExists)
	k.wantError("write 1", all[1].Err, nil)
	k.wantError("write 2", all[2].Err, nil)
	k.wantError("write 3", all[3].Err, store.ErrVersion)
	k.wantValue("a", "2")
	k.wantValue("b", "1")
}

func (k *kv) getAll(keys ...string) []store.Item {
	k.Helper()
	items := make([]store.Item, len(keys))
	if err := store.GetAll(k.Context(), k.store, k.ns, keys, items); err != nil {
		k.Fatalf("GetAll of %d keys: %v", len(keys), err)
	}
	return items
}

// wantAll checks that GetAll returns what Get does.
func (k *kv) wantAll(keys ...string) {
	k.Helper()
	for i, item := range k.getAll(keys...) {
		if item.Version == 0 {
			k.wantMissing(keys[i])
			continue
		}
		k.wantSame(fmt.Sprintf("item %d, %q", i, keys[i]), item, k.get(keys[i]))
	}
}

// getAllOrder asks for keys in no order, for one of them twice, and for some that are not
// there, one of them in another namespace alone.
func getAllOrder(k *kv) {
	o := k.other()
	o.set("elsewhere", "v")
	k.set("gone", "v")
	k.delete("gone")
	k.set("b", "2")
	k.set("c", "")
	k.set("a", "1")
	var got []string
	for _, item := range k.getAll("c", "nothing", "a", "b", "elsewhere", "a", "gone", "nothing") {
		if item.Version == 0 {
			got = append(got, "none")
			continue
		}
		got = append(got, item.Key+"="+string(item.Value))
	}
	k.wantSame("items", got, []string{"c=", "none", "a=1", "b=2", "none", "a=1", "none", "none"})
	k.wantAll("b", "a", "nothing", "c")
}

func getAllKeys(k *kv) {
	for _, key := range hardKeys {
		k.set(key, "value of "+key)
	}
	k.wantAll(slices.Concat(hardKeys, []string{"missing"}, hardKeys)...)
}

func getAllMany(k *kv) {
	keys := make([]string, several)
	for i := range keys {
		keys[i] = fmt.Sprintf("key/%d", i)
	}
	k.together(8, func(part int) error {
		for i := part; i < several; i += 8 {
			if i%3 == 0 {
				continue
			}
			if _, err := k.store.Put(k.Context(), k.ns, store.Write{Key: keys[i], Value: []byte(keys[i])}); err != nil {
				return err
			}
		}
		return nil
	})
	for i, item := range k.getAll(keys...) {
		want := keys[i]
		if i%3 == 0 {
			want = ""
		}
		if item.Key != want || string(item.Value) != want || (item.Version == 0) != (want == "") {
			k.Fatalf("key %q: got %q of version %d under %q", keys[i], item.Value, item.Version, item.Key)
		}
	}
}

func getAllExpired(k *kv) {
	k.set("stays", "v")
	k.put(store.Write{Key: "ends", Value: []byte("v"), TTL: second})
	k.eventually("expiry", func() bool {
		before := time.Now()
		items := k.getAll("ends", "stays")
		if string(items[1].Value) != "v" {
			k.Fatalf("got %v for an item that stays", items[1])
		}
		if items[0].Version != 0 {
			k.wantAlive(items[0], before)
		}
		return items[0].Version == 0
	})
}
