package ring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/micro/platform/kv-srv/kvclient"
)

// numbers is how many keys are counted in.
const numbers = 4

// sums are what Increment has answered. Each number is counted by all, by 1.
type sums struct {
	mu   sync.Mutex
	seen [numbers]map[int64]bool
}

func newSums() *sums {
	s := &sums{}
	for i := range s.seen {
		s.seen[i] = map[int64]bool{}
	}
	return s
}

func (l *load) count(c *caller, _ int) {
	i := mathrand.IntN(numbers)
	id := kvclient.RequestID(rand.Text()) // the same at both nodes
	var sum int64
	_, err := c.do("increment", func(ctx context.Context, kv *kvclient.Client) (err error) {
		sum, err = kv.Increment(ctx, fmt.Sprint("n/", i), 1, id)
		return err
	})
	if err != nil {
		return // a problem, which do has told
	}
	l.sums.mu.Lock()
	defer l.sums.mu.Unlock()
	if l.sums.seen[i][sum] {
		l.seen.problem("two increments of n/%d got %d", i, sum)
	}
	l.sums.seen[i][sum] = true
}

// wantSums checks that each number is how often it was counted: that no increment was
// left without an answer is checked elsewhere.
func (l *load) wantSums() {
	t := l.cluster.t
	t.Helper()
	all := 0
	for i, seen := range l.sums.seen {
		got, err := l.value(fmt.Sprint("n/", i))
		if err != nil && (len(seen) > 0 || !errors.Is(err, kvclient.ErrNotFound)) {
			t.Error(err)
		}
		if n, _ := strconv.Atoi(got); n != len(seen) {
			t.Errorf("n/%d is %s after %d increments", i, got, len(seen))
		}
		all += len(seen)
	}
	l.cluster.logf("counted to %d", all)
}

func (l *load) value(key string) (string, error) {
	var item kvclient.Item
	_, err := l.cluster.caller(false, l.seen).do("get", func(ctx context.Context, kv *kvclient.Client) (err error) {
		item, err = kv.Get(ctx, key)
		return err
	})
	return string(item.Value), err
}

// lists are values that grow by compare and swap.
type lists struct {
	mu    sync.Mutex
	next  [appenders]int // entry of each of them
	acked map[string][]string
}

// perList is how many entries of each caller a list has.
const perList = 100

func newLists() *lists { return &lists{acked: map[string][]string{}} }

// add appends an entry to a list, however often somebody else was faster.
func (l *load) add(c *caller, i int) {
	l.lists.mu.Lock()
	n := l.lists.next[i]
	l.lists.next[i]++
	l.lists.mu.Unlock()
	key, word := fmt.Sprint("list/", n/perList), fmt.Sprintf("%d.%d", i, n)
	for range 1000 {
		var item kvclient.Item
		_, err := c.do("get list", func(ctx context.Context, kv *kvclient.Client) (err error) {
			item, err = kv.Get(ctx, key)
			return err
		})
		if err != nil && !errors.Is(err, kvclient.ErrNotFound) {
			return
		}
		condition := kvclient.PutOption(kvclient.IfVersion(item.Version))
		if err != nil {
			condition = kvclient.IfAbsent()
		}
		id, value := kvclient.RequestID(rand.Text()), []byte(strings.TrimSpace(string(item.Value)+" "+word))
		_, err = c.do("compare and swap", func(ctx context.Context, kv *kvclient.Client) error {
			_, err := kv.Put(ctx, key, value, condition, id)
			return err
		})
		if errors.Is(err, kvclient.ErrConflict) {
			continue
		}
		if err == nil {
			l.lists.mu.Lock()
			l.lists.acked[key] = append(l.lists.acked[key], word)
			l.lists.mu.Unlock()
		}
		return
	}
	l.seen.problem("%s: somebody else was faster 1000 times", key)
}

// wantLists checks that each list has what was appended, once and in order. Two callers
// hear of theirs in any order.
func (l *load) wantLists() {
	t := l.cluster.t
	t.Helper()
	all := 0
	for key, acked := range l.lists.acked {
		value, err := l.value(key)
		if err != nil {
			t.Error(err)
		}
		for i := range appenders {
			mine := func(w string) bool { return !strings.HasPrefix(w, fmt.Sprint(i, ".")) }
			got, want := slices.DeleteFunc(strings.Fields(value), mine), slices.DeleteFunc(slices.Clone(acked), mine)
			if !slices.Equal(got, want) {
				t.Errorf("%s has %v of caller %d, want %v", key, got, i, want)
			}
			all += len(want)
		}
	}
	l.cluster.logf("%d entries in %d lists", all, len(l.lists.acked))
}
