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
			_, err := store.GetAll(ctx, k.store, k.ns, []string{"a"})
			k.wantError("GetAll", err, context.Canceled)
		}},
	}
}

func (k *kv) getAll(keys ...string) []store.Item {
	k.Helper()
	items, err := store.GetAll(k.Context(), k.store, k.ns, keys)
	if err != nil {
		k.Fatalf("GetAll of %d keys: %v", len(keys), err)
	}
	if len(items) != len(keys) {
		k.Fatalf("GetAll of %d keys: got %d items", len(keys), len(items))
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
