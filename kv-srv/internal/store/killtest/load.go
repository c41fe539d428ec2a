package killtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/kvclient"
)

// load is callers of a service while its server is killed.
type load struct {
	t       *testing.T
	kv      *kvclient.Client
	backend Backend

	watched chan result
	failed  atomic.Int64 // calls, all of them with unavailable
	counted atomic.Int64
	mu      sync.Mutex
	written map[string]string // what was acknowledged
}

// result is what a watch has seen.
type result struct {
	seen map[string]string
	err  error
}

func newLoad(t *testing.T, kv *kvclient.Client, b Backend) *load {
	t.Helper()
	l := &load{t: t, kv: kv, backend: b, written: map[string]string{}, watched: make(chan result, 1)}
	if _, err := kv.Put(t.Context(), "n", []byte("0")); err != nil {
		t.Fatal(err)
	}
	if b.Forgets {
		return l
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patient)
		defer cancel()
		if _, err := kv.DeleteAll(ctx); err != nil {
			t.Error(err)
		}
	})
	begun := make(chan struct{})
	go func() {
		seen, err := l.watch(begun)
		l.watched <- result{seen, err}
	}()
	select {
	case <-begun:
	case r := <-l.watched:
		t.Fatal(r.err)
	case <-time.After(patient):
		t.Fatalf("no watch within %v", patient)
	}
	return l
}

// start lets writers write and counters count. Stop ends the writers and waits for all.
func (l *load) start() (stop func()) {
	var group sync.WaitGroup
	end, results := make(chan struct{}), make(chan error, callers+writers)
	for i := range writers {
		group.Go(func() { results <- l.write(strconv.Itoa(i), end) })
	}
	for i := range callers {
		group.Go(func() { results <- l.count("c" + strconv.Itoa(i)) })
	}
	return func() {
		l.t.Helper()
		close(end)
		group.Wait()
		close(results)
		for err := range results {
			if err != nil {
				l.t.Error(err)
			}
		}
	}
}

// call calls until there is an answer. What fails must fail with unavailable, in time.
func (l *load) call(f func(context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(l.t.Context(), deadline)
		err := f(ctx)
		late := ctx.Err()
		cancel()
		var e *kvclient.Error
		switch {
		case late != nil:
			return fmt.Errorf("a call outlived its deadline: %w", err)
		case errors.As(err, &e) && e.Code == "unavailable":
			l.failed.Add(1)
			time.Sleep(50 * time.Millisecond)
		default:
			return err
		}
	}
}

// write writes one key after another until it is told to stop.
func (l *load) write(name string, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		key, value := fmt.Sprint("w/", name, "/", i), strconv.Itoa(i)
		err := l.call(func(ctx context.Context) error {
			_, err := l.kv.Put(ctx, key, []byte(value))
			return err
		})
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.written[key] = value
		l.mu.Unlock()
	}
}

// count adds 1 to a number some times, by getting it and putting it back.
func (l *load) count(name string) error {
	for done := 0; done < times; {
		var item kvclient.Item
		err := l.call(func(ctx context.Context) (err error) {
			item, err = l.kv.Get(ctx, "n")
			return err
		})
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			return err
		}
		id := kvclient.RequestID(fmt.Sprint(name, "-", done, "-", item.Version))
		err = l.call(func(ctx context.Context) error {
			_, err := l.kv.Put(ctx, "n", strconv.AppendInt(nil, int64(n+1), 10), kvclient.IfVersion(item.Version), id)
			return err
		})
		switch {
		case err == nil:
			done++
			l.counted.Add(1)
		case !errors.Is(err, kvclient.ErrConflict):
			return err
		}
	}
	return nil
}

// watch collects what a watch of the written keys tells, until the key "w/end".
func (l *load) watch(begun chan<- struct{}) (map[string]string, error) {
	seen := map[string]string{}
	for e, err := range l.kv.Watch(l.t.Context(), "w/", kvclient.WithProgress()) {
		switch {
		case err != nil:
			return nil, err
		case e.Type == kvclient.EventProgress && begun != nil:
			close(begun)
			begun = nil
		case e.Item.Key == "w/end":
			return seen, nil
		case e.Type == kvclient.EventPut:
			seen[e.Item.Key] = string(e.Item.Value)
		}
	}
	return nil, errors.New("the watch ended")
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.written)
}

// await waits for what happens in other goroutines.
func (l *load) await(what string, yes func() bool) {
	l.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patient)
	for !yes() {
		select {
		case <-ticker.C:
		case <-late:
			l.t.Fatalf("%s: not within %v", what, patient)
		}
	}
}
