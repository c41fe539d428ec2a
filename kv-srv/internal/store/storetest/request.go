package storetest

import (
	"errors"
	"fmt"

	"github.com/micro/platform/kv-srv/internal/store"
)

func requestTests() []test {
	put := func(k *kv) error { return k.try(store.Write{Key: "a", RequestID: "id"}) }
	remove := func(k *kv) error {
		return k.store.Delete(k.Context(), k.ns, store.Removal{Key: "a", RequestID: "id"})
	}
	increment := func(k *kv) error {
		_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "a", RequestID: "id"})
		return err
	}
	return []test{
		{"Request/Put", put, requestPut},
		{"Request/PutConditions", put, requestPutConditions},
		{"Request/Delete", remove, requestDelete},
		{"Request/Increment", increment, requestIncrement},
		{"Request/Failed", put, requestFailed},
		{"Request/OtherKey", put, requestOtherKey},
		{"Request/Concurrent", increment, requestConcurrent},
	}
}

func requestPut(k *kv) {
	w := store.Write{Key: "a", Value: []byte("1"), RequestID: "first"}
	first := k.put(w)
	again := func(after string) {
		k.Helper()
		if version := k.put(w); version != first {
			k.Fatalf("the same request after %s: got version %d, want %d", after, version, first)
		}
	}
	again("nothing")
	if got := k.get("a").Version; got != first {
		k.Fatalf("a repeated request changed the version from %d to %d", first, got)
	}
	k.set("a", "2")
	again("another Put")
	k.wantValue("a", "2")
	k.delete("a")
	again("Delete")
	k.wantMissing("a")
	w.RequestID = "second"
	k.wantLater("another request", k.put(w), first)
	k.wantValue("a", "1")
}

func requestPutConditions(k *kv) {
	made := store.Write{Key: "a", Value: []byte("1"), IfAbsent: true, RequestID: "made"}
	first := k.put(made)
	if version := k.put(made); version != first {
		k.Fatalf("the same creation again: got version %d, want %d", version, first)
	}
	moved := store.Write{Key: "a", Value: []byte("2"), IfVersion: first, RequestID: "moved"}
	second := k.put(moved)
	if version := k.put(moved); version != second {
		k.Fatalf("the same replacement again: got version %d, want %d", version, second)
	}
	k.wantValue("a", "2")
}

func requestDelete(k *kv) {
	r := store.Removal{Key: "a", RequestID: "id"}
	version := k.set("a", "1")
	r.IfVersion = version
	for _, op := range []string{"Delete", "the same Delete again"} {
		k.wantError(op, k.store.Delete(k.Context(), k.ns, r), nil)
		k.wantMissing("a")
	}
	k.set("a", "2")
	k.wantError("the same Delete after Put", k.store.Delete(k.Context(), k.ns, r), nil)
	k.wantValue("a", "2")
	other := store.Removal{Key: "a", RequestID: "other"}
	k.wantError("another Delete", k.store.Delete(k.Context(), k.ns, other), nil)
	k.wantMissing("a")
}

func requestIncrement(k *kv) {
	a := store.Addition{Key: "n", Delta: 5, RequestID: "id"}
	sum, version := k.increment(a)
	again := func(after, value string) {
		k.Helper()
		gotSum, gotVersion := k.increment(a)
		if gotSum != sum || gotVersion != version {
			k.Fatalf("the same request after %s: got %d of version %d, want %d of version %d",
				after, gotSum, gotVersion, sum, version)
		}
		if value != "" {
			k.wantValue("n", value)
		}
	}
	again("nothing", "5")
	k.increment(store.Addition{Key: "n", Delta: 1, RequestID: "other"})
	again("another Increment", "6")
	k.set("n", "no number")
	again("Put", "no number")
	k.delete("n")
	again("Delete", "")
	k.wantMissing("n")
}

func requestFailed(k *kv) {
	w := store.Write{Key: "a", Value: []byte("1"), IfAbsent: true, RequestID: "put"}
	k.set("a", "0")
	k.wantError("Put", k.try(w), store.ErrExists)
	k.delete("a")
	k.wantError("the same Put once it can succeed", k.try(w), nil)
	k.wantValue("a", "1")

	r := store.Removal{Key: "b", RequestID: "delete"}
	k.wantError("Delete", k.store.Delete(k.Context(), k.ns, r), store.ErrNotFound)
	k.set("b", "1")
	k.wantError("the same Delete once it can succeed", k.store.Delete(k.Context(), k.ns, r), nil)
	k.wantMissing("b")
}

func requestOtherKey(k *kv) {
	o := k.other()
	for _, in := range []*kv{k, o} {
		for _, key := range []string{"a", "b", "a/b"} {
			in.put(store.Write{Key: key, Value: []byte("1"), RequestID: "id"})
			in.wantValue(key, "1")
		}
	}
	// The key and the ID of a request are not just joined.
	k.put(store.Write{Key: "x", Value: []byte("1"), RequestID: "y:z"})
	k.put(store.Write{Key: "x:y", Value: []byte("2"), RequestID: "z"})
	k.wantValue("x:y", "2")
}

func requestConcurrent(k *kv) {
	const callers, requests = 20, 10
	sums := make([][requests]int64, callers)
	k.together(callers, func(i int) error {
		for r := range requests {
			sum, _, err := k.store.Increment(k.Context(), k.ns,
				store.Addition{Key: "n", Delta: 1, RequestID: fmt.Sprint("id-", r)})
			if err != nil {
				return err
			}
			sums[i][r] = sum
		}
		return nil
	})
	k.wantValue("n", fmt.Sprint(requests))
	for i := range sums {
		if sums[i] != sums[0] {
			k.Fatalf("callers with the same requests were answered %v and %v", sums[0], sums[i])
		}
	}
	made := make(chan uint64, callers)
	k.together(callers, func(int) error {
		version, err := k.store.Put(k.Context(), k.ns, store.Write{Key: "a", IfAbsent: true, RequestID: "make"})
		made <- version
		return err
	})
	first := <-made
	for range callers - 1 {
		if version := <-made; version != first {
			k.Fatal(errors.New("callers with the same Put were answered different versions"))
		}
	}
}
