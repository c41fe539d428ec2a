package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// The quota of each namespace in RunQuota, but for those that end with "-2".
var quota = store.Quota{Keys: 10, Bytes: 1000}

// RunQuota tests a driver that keeps quotas, as Run does.
func RunQuota(t *testing.T, open func(*testing.T, store.Quotas) store.Store) {
	t.Helper()
	for name, run := range map[string]func(*kv){
		"Keys": quotaOfKeys, "Bytes": quotaOfBytes, "Rivals": quotaOfRivals, "Requests": quotaAndRequests,
		"Expiry": quotaAndExpiry,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newKV(t, open(t, func(namespace string) store.Quota {
				if strings.HasSuffix(namespace, "-2") {
					return store.Quota{}
				}
				return quota
			})))
		})
	}
}

func (k *kv) wantQuota(err error, unit string) {
	k.Helper()
	var e *store.QuotaError
	if !errors.As(err, &e) {
		k.Fatalf("got %v, want a *store.QuotaError", err)
	}
	want := store.QuotaError{Namespace: k.ns, Unit: unit, Max: quota.Keys}
	if unit == "bytes" {
		want.Max = quota.Bytes
	}
	if *e != want {
		k.Fatalf("got %+v, want %+v", *e, want)
	}
}

func (k *kv) fill() {
	for i := range quota.Keys {
		k.set(fmt.Sprint("k", i), "v")
	}
}

func quotaOfKeys(k *kv) {
	o := k.other()
	k.fill()
	k.wantQuota(k.try(store.Write{Key: "more"}), "keys")
	k.wantQuota(k.try(store.Write{Key: "more", IfAbsent: true}), "keys")
	_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "more", Delta: 1})
	k.wantQuota(err, "keys")
	k.wantMissing("more")
	k.set("k0", "another")
	if _, err := k.store.Touch(k.Context(), k.ns, "k0", time.Hour); err != nil {
		k.Fatal(err)
	}
	o.fill()
	o.set("more", "of the other")
	k.delete("k0")
	k.set("more", "v")
	k.wantQuota(k.try(store.Write{Key: "k0"}), "keys")
	k.clear(k.ns)
	k.fill()
}

func quotaOfBytes(k *kv) {
	rest := int(quota.Bytes) - len("a")
	k.set("a", strings.Repeat("v", rest))
	k.wantQuota(k.try(store.Write{Key: "b"}), "bytes")
	k.wantQuota(k.try(store.Write{Key: "a", Value: make([]byte, rest+1)}), "bytes")
	k.wantQuota(k.try(store.Write{Key: "a", Value: make([]byte, rest), Metadata: map[string]string{"": "x"}}), "bytes")
	k.wantValue("a", strings.Repeat("v", rest))
	k.set("a", strings.Repeat("w", rest))
	k.set("a", strings.Repeat("w", rest-4))
	k.put(store.Write{Key: "b", Metadata: map[string]string{"x": "yz"}})
	k.wantQuota(k.try(store.Write{Key: "c"}), "bytes")
	k.delete("b")
	k.set("n", "99")
	k.set("b", "")
	_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "n", Delta: 1})
	k.wantQuota(err, "bytes")
	k.wantValue("n", "99")
}

// quotaOfRivals: many writers at once make as many keys as there may be.
func quotaOfRivals(k *kv) {
	var mu sync.Mutex
	made := 0
	k.together(20, func(caller int) error {
		for i := range 3 {
			err := k.try(store.Write{Key: fmt.Sprint(caller, "-", i)})
			var e *store.QuotaError
			if err != nil && !errors.As(err, &e) {
				return err
			}
			if err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		}
		return nil
	})
	if int64(made) != quota.Keys {
		k.Errorf("%d keys were made, %d are allowed", made, quota.Keys)
	}
}

// quotaAndRequests: what was done once is answered though there is no quota left.
func quotaAndRequests(k *kv) {
	write := store.Write{Key: "k0", Value: []byte("v"), RequestID: "first"}
	version := k.put(write)
	k.fill()
	again, err := k.store.Put(k.Context(), k.ns, write)
	if err != nil || again != version {
		k.Errorf("the same request: got %d, %v, want %d", again, err, version)
	}
	write.Key = "other"
	k.wantQuota(k.try(write), "keys")
	k.delete("k0")
	k.put(write)
}

// quotaAndExpiry: what has expired gives its place.
func quotaAndExpiry(k *kv) {
	for i := range quota.Keys {
		k.put(store.Write{Key: fmt.Sprint("k", i), Value: make([]byte, 90), TTL: time.Second})
	}
	k.wantQuota(k.try(store.Write{Key: "more"}), "keys")
	ctx, cancel := context.WithTimeout(k.Context(), 30*time.Second)
	defer cancel()
	for i := range quota.Keys {
		w := store.Write{Key: fmt.Sprint("n", i), Value: make([]byte, 90)}
		for err := k.try(w); err != nil; err = k.try(w) {
			if ctx.Err() != nil {
				k.Fatalf("expired items keep their place: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	k.wantQuota(k.try(store.Write{Key: "more"}), "keys")
}
