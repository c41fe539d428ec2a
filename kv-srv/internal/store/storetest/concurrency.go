package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/micro/platform/kv-srv/internal/store"
)

func concurrencyTests() []test {
	return []test{
		{"Concurrency/Counter", func(k *kv) error { return k.try(store.Write{Key: "a", IfVersion: 1}) }, counter},
		{"Concurrency/OneCreator", func(k *kv) error { return k.try(store.Write{Key: "a", IfAbsent: true}) }, oneCreator},
		{"Concurrency/OneRemover", nil, oneRemover},
		{"Concurrency/Linearizable", nil, linearizable},
	}
}

// counter is the loop by which applications change what they read.
func counter(k *kv) {
	const callers, times = 50, 4
	k.set("n", "0")
	k.together(callers, func(int) error {
		for done := 0; done < times; {
			item, err := k.store.Get(k.Context(), k.ns, "n")
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(item.Value))
			if err != nil {
				return err
			}
			err = k.try(store.Write{Key: "n", Value: strconv.AppendInt(nil, int64(n+1), 10), IfVersion: item.Version})
			if err == nil {
				done++
			} else if !errors.Is(err, store.ErrVersion) {
				return err
			}
		}
		return nil
	})
	k.wantValue("n", strconv.Itoa(callers*times))
}

// rivals calls f from many goroutines at once and wants it to succeed for one of them.
func (k *kv) rivals(f func() error, lost error) {
	k.Helper()
	var mu sync.Mutex
	won := 0
	k.together(20, func(int) error {
		err := f()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			return err
		}
		return nil
	})
	if won != 1 {
		k.Fatalf("%d callers succeeded, want 1", won)
	}
}

func oneCreator(k *kv) {
	for i := range 10 {
		key := fmt.Sprint("k", i)
		k.rivals(func() error { return k.try(store.Write{Key: key, IfAbsent: true}) }, store.ErrExists)
	}
}

func oneRemover(k *kv) {
	for i := range 10 {
		key := fmt.Sprint("k", i)
		k.set(key, "v")
		k.rivals(func() error {
			return k.store.Delete(k.Context(), k.ns, store.Removal{Key: key})
		}, store.ErrNotFound)
	}
}

const (
	streamWriters = 8
	streamWrites  = 100
)

// stream lets each of some writers count in a key of its own.
func (k *kv) stream(progress func(writer, value int)) error {
	errs := make([]error, streamWriters)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			for n := range streamWrites {
				w := store.Write{Key: "w" + strconv.Itoa(i), Value: strconv.AppendInt(nil, int64(n), 10)}
				if errs[i] = k.try(w); errs[i] != nil {
					return
				}
				progress(i, n)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// wantStream checks that events hold each value of each writer once and in order, from
// the one after seen or an earlier one on.
func (k *kv) wantStream(events []store.Event, seen map[string]int) {
	k.Helper()
	next := make(map[string]int)
	for _, e := range events {
		n, err := strconv.Atoi(string(e.Item.Value))
		if e.Kind != store.Put || err != nil {
			k.Fatalf("unexpected event %+v", e)
		}
		want, begun := next[e.Item.Key]
		before, listed := seen[e.Item.Key]
		switch {
		case begun && n != want:
			k.Fatalf("value %d of %s follows %d", n, e.Item.Key, want-1)
		case !begun && !listed && n != 0, !begun && listed && n > before+1:
			k.Fatalf("the first value of %s is %d, the page has %d (%t)", e.Item.Key, n, before, listed)
		}
		next[e.Item.Key] = n + 1
	}
	for i := range streamWriters {
		key := "w" + strconv.Itoa(i)
		if next[key] != streamWrites && seen[key] != streamWrites-1 {
			k.Fatalf("the values of %s end before %d", key, next[key])
		}
	}
}

func watchConcurrent(k *kv) {
	var watchers []*watcher
	for range 3 {
		watchers = append(watchers, k.watch("", 0))
	}
	if err := k.stream(func(int, int) {}); err != nil {
		k.Fatal(err)
	}
	k.set("end", "")
	for _, w := range watchers {
		k.wantStream(w.until("end"), nil)
	}
}

// watchFromPage lists and watches in the middle of writes, several times over.
func watchFromPage(k *kv) {
	if _, err := k.store.List(k.Context(), k.ns, store.Query{Limit: 1, MaxBytes: 1}); unsupported(err) {
		k.Skip(err)
	}
	middle, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- k.stream(func(_, n int) {
			if n%20 == 10 {
				select {
				case middle <- struct{}{}: // the others go on writing
				case <-k.Context().Done():
				}
			}
		})
	}()
	var pages []map[string]int
	var watchers []*watcher
	for {
		select {
		case <-middle:
			page := k.page(store.Query{Prefix: "w"})
			watchers = append(watchers, k.watch("", page.Version))
			pages = append(pages, k.values(page))
			continue
		case err := <-done:
			k.wantError("Put", err, nil)
		}
		break
	}
	k.set("end", "")
	for i, w := range watchers {
		k.wantStream(w.until("end"), pages[i])
	}
}

func (k *kv) values(page store.Page) map[string]int {
	values := make(map[string]int)
	for _, item := range page.Items {
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			k.Fatal(err)
		}
		values[item.Key] = n
	}
	return values
}
