package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/micro/platform/kv-srv/internal/store"
)

const (
	skew    = 50 * time.Millisecond // between our clock and the backend's
	second  = time.Second           // the shortest time to live that all backends keep
	patient = 20 * time.Second      // what should happen at once may take this long
)

// The methods of kv call the store and end the test on an error. They are for the
// goroutine of the test alone.

func (k *kv) put(w store.Write) uint64 {
	k.Helper()
	version, err := k.store.Put(k.Context(), k.ns, w)
	if err != nil {
		k.Fatalf("Put(%.40q): %v", w.Key, err)
	}
	return version
}

// set puts a value without more ado.
func (k *kv) set(key, value string) uint64 {
	k.Helper()
	return k.put(store.Write{Key: key, Value: []byte(value)})
}

func (k *kv) get(key string) store.Item {
	k.Helper()
	item, err := k.store.Get(k.Context(), k.ns, key)
	if err != nil {
		k.Fatalf("Get(%.40q): %v", key, err)
	}
	return item
}

func (k *kv) delete(key string) {
	k.Helper()
	if err := k.store.Delete(k.Context(), k.ns, store.Removal{Key: key}); err != nil {
		k.Fatalf("Delete(%.40q): %v", key, err)
	}
}

func (k *kv) increment(a store.Addition) (int64, uint64) {
	k.Helper()
	sum, version, err := k.store.Increment(k.Context(), k.ns, a)
	if err != nil {
		k.Fatalf("Increment(%.40q, %d): %v", a.Key, a.Delta, err)
	}
	return sum, version
}

func (k *kv) touch(key string, ttl time.Duration) uint64 {
	k.Helper()
	version, err := k.store.Touch(k.Context(), k.ns, key, ttl)
	if err != nil {
		k.Fatalf("Touch(%.40q): %v", key, err)
	}
	return version
}

func (k *kv) page(q store.Query) store.Page {
	k.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	if q.MaxBytes == 0 {
		q.MaxBytes = 3 << 20
	}
	page, err := k.store.List(k.Context(), k.ns, q)
	if err != nil {
		k.Fatalf("List(%+v): %v", q, err)
	}
	return page
}

// keys lists the keys under a prefix, page by page.
func (k *kv) keys(q store.Query) []string {
	k.Helper()
	var keys []string
	for {
		page := k.page(q)
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		if !page.More {
			return keys
		}
		if len(page.Items) == 0 {
			k.Fatalf("List(%+v): an empty page, and more to come", q)
		}
		q.After = page.Items[len(page.Items)-1].Key
	}
}

func (k *kv) wantError(op string, got, want error) {
	k.Helper()
	if !errors.Is(got, want) {
		k.Fatalf("%s: got error %v, want %v", op, got, want)
	}
}

func (k *kv) wantMissing(key string) {
	k.Helper()
	_, err := k.store.Get(k.Context(), k.ns, key)
	k.wantError(fmt.Sprintf("Get(%.40q)", key), err, store.ErrNotFound)
}

func (k *kv) wantValue(key, want string) {
	k.Helper()
	if got := string(k.get(key).Value); got != want {
		k.Fatalf("value of %q: got %.40q, want %.40q", key, got, want)
	}
}

// wantSame compares, with nil and empty alike.
func (k *kv) wantSame(what string, got, want any) {
	k.Helper()
	if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); diff != "" {
		k.Fatalf("%s (-got +want):\n%s", what, diff)
	}
}

// wantLater checks that a version is larger than an earlier one of the same key.
func (k *kv) wantLater(op string, version, earlier uint64) {
	k.Helper()
	if version <= earlier {
		k.Fatalf("%s: version %d does not follow %d", op, version, earlier)
	}
}

// eventually asks until the answer is yes. It is for what no event tells.
func (k *kv) eventually(what string, yes func() bool) {
	k.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patient)
	for !yes() {
		select {
		case <-ticker.C:
		case <-late:
			k.Fatalf("%s: not within %v", what, patient)
		}
	}
}

// together calls f from n goroutines at once, and ends the test on an error.
func (k *kv) together(n int, f func(i int) error) {
	k.Helper()
	var group sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		group.Go(func() { errs[i] = f(i) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		k.Fatal(err)
	}
}
