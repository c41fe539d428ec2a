package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func namespaceTests() []test {
	probe := func(k *kv) error {
		_, err := k.store.Namespaces(k.Context(), store.NamespaceQuery{Limit: 1})
		return err
	}
	return []test{
		{"Namespaces/Figures", probe, namespaceFigures},
		{"Namespaces/Gone", probe, namespacesGone},
		{"Namespaces/Expired", probe, namespacesExpired},
		{"Namespaces/Order", probe, namespacesOrder},
		{"Namespaces/Paging", probe, namespacesPaging},
		{"Namespaces/Many", probe, namespacesMany},
		{"Namespaces/Increment", probe, namespacesIncrement},
		{"Namespaces/Concurrent", probe, namespacesConcurrent},
		{"Namespaces/Canceled", probe, func(k *kv) {
			ctx, cancel := context.WithCancel(k.Context())
			cancel()
			_, err := k.store.Namespaces(ctx, store.NamespaceQuery{Limit: 1})
			k.wantError("Namespaces", err, context.Canceled)
		}},
	}
}

// at returns the namespace whose name continues that of k.
func (k *kv) at(suffix string) *kv {
	o := &kv{T: k.T, store: k.store, ns: k.ns + suffix}
	k.Cleanup(func() { o.clear(o.ns) })
	return o
}

// namespaces lists those whose names begin with that of k, page by page.
func (k *kv) namespaces(limit int) []store.Namespace {
	k.Helper()
	q := store.NamespaceQuery{From: k.ns, To: k.ns + "~", Limit: limit}
	var all []store.Namespace
	for {
		page, err := k.store.Namespaces(k.Context(), q)
		if err != nil {
			k.Fatalf("Namespaces(%+v): %v", q, err)
		}
		if n := len(page.Namespaces); n > limit || page.More && n == 0 {
			k.Fatalf("Namespaces(%+v): a page of %d, more: %t", q, n, page.More)
		}
		all = append(all, page.Namespaces...)
		if !page.More {
			return all
		}
		q.From = all[len(all)-1].Name + "\x00"
	}
}

// names are those of k.namespaces, without what they have in common.
func (k *kv) names(limit int) []string {
	k.Helper()
	var names []string
	for _, n := range k.namespaces(limit) {
		names = append(names, strings.TrimPrefix(n.Name, k.ns))
	}
	return names
}

// wantHolds checks what a namespace holds, as far as the store can tell.
func (k *kv) wantHolds(keys, bytes int64) {
	k.Helper()
	all := k.namespaces(1000)
	if len(all) != 1 || all[0].Name != k.ns {
		k.Fatalf("got namespaces %+v, want %s alone", all, k.ns)
	}
	if got := all[0].Keys; got != keys && got != -1 {
		k.Fatalf("got %d keys, want %d or -1", got, keys)
	}
	if got := all[0].Bytes; got != bytes && got != -1 {
		k.Fatalf("got %d bytes, want %d or -1", got, bytes)
	}
}

// namespaceFigures follows what a namespace holds through changes of all kinds.
func namespaceFigures(k *kv) {
	k.wantSame("namespaces that nobody wrote to", k.names(10), []string{})
	k.set("a", "12345")
	k.wantHolds(1, 6)
	k.set("a", "1")
	k.wantHolds(1, 2)
	k.put(store.Write{Key: "bc", Value: []byte("12"), Metadata: map[string]string{"m": "xyz"}, TTL: time.Hour})
	k.wantHolds(2, 10)
	k.touch("bc", 2*time.Hour)
	k.wantHolds(2, 10)
	k.increment(store.Addition{Key: "n", Delta: 99})
	k.wantHolds(3, 13)
	k.increment(store.Addition{Key: "n", Delta: 1})
	k.wantHolds(3, 14)
	k.wantError("Put where there is an item", k.try(store.Write{Key: "a", Value: make([]byte, 9), IfAbsent: true}), store.ErrExists)
	k.wantHolds(3, 14)
	k.delete("bc")
	k.wantHolds(2, 6)
	k.deletes("", 2)
	k.wantSame("namespaces after all was deleted", k.names(10), []string{})
	k.set("a", "12")
	k.wantHolds(1, 3)
}

// namespacesGone empties namespaces among others in each way there is.
func namespacesGone(k *kv) {
	for _, suffix := range []string{"-1", "-2", "-3", "-4", "-5"} {
		o := k.at(suffix)
		o.set("a", "v")
		o.set("b", "v")
	}
	k.wantSame("namespaces", k.names(2), []string{"-1", "-2", "-3", "-4", "-5"})
	k.at("-1").delete("a")
	k.at("-2").deletes("", 2)
	k.at("-4").delete("a")
	k.at("-4").delete("b")
	k.at("-5").deletes("b", 1)
	for _, limit := range []int{1, 2, 3, 100} {
		k.wantSame("those that hold items", k.names(limit), []string{"-1", "-3", "-5"})
	}
	k.at("-4").set("a", "v")
	k.wantSame("with one that is back", k.names(1), []string{"-1", "-3", "-4", "-5"})
}

func namespacesExpired(k *kv) {
	stays, ends := k.at("-1"), k.at("-2")
	stays.set("stays", "v")
	for i := range 3 {
		stays.put(store.Write{Key: fmt.Sprint("short/", i), Value: []byte("v"), TTL: second})
		ends.put(store.Write{Key: fmt.Sprint("short/", i), Value: []byte("v"), TTL: second})
	}
	k.wantSame("namespaces", k.names(10), []string{"-1", "-2"})
	k.eventually("the end of a namespace", func() bool { return len(k.names(10)) == 1 })
	k.eventually("the end of items", func() bool { return stays.namespaces(1)[0].Keys <= 1 })
	stays.wantHolds(1, 6)
	ends.set("again", "v")
	ends.wantHolds(1, 6)
}

// namespacesOrder has names whose order is not that of the keys that a naive composition
// makes of them, and long ones.
func namespacesOrder(k *kv) {
	suffixes := []string{"", "-", "--", "-0", "-a", "-a-", "-a-b", "-a0", "-ab", "-b", "0", "9", "a", "z", strings.Repeat("z", 63-len(k.ns))}
	for i := range suffixes {
		k.at(suffixes[len(suffixes)-1-i]).set("a/b", "v")
	}
	for _, limit := range []int{1, 2, 4, 1000} {
		k.wantSame("namespaces", k.names(limit), slices.Sorted(slices.Values(suffixes)))
	}
}

func namespacesPaging(k *kv) {
	all := []string{"-a", "-b", "-c", "-d"}
	for _, suffix := range all {
		k.at(suffix).set("a", "v")
	}
	for _, c := range []struct {
		from, to string
		limit    int
		want     []string
		more     bool
	}{
		{"", "~", 4, all, false},
		{"", "~", 3, all[:3], true},
		{"", "~", 5, all, false},
		{"-a", "-d", 3, all[:3], false},
		{"-a", "-d", 2, all[:2], true},
		{"-aa", "-c", 9, all[1:2], false},
		{"-b", "-b\x00", 1, all[1:2], false},
		{"-bb", "-bb\x00", 1, nil, false},
		{"-d", "-a", 1, nil, false},
		{"-c", "-c", 1, nil, false},
	} {
		q := store.NamespaceQuery{From: k.ns + c.from, To: k.ns + c.to, Limit: c.limit}
		page, err := k.store.Namespaces(k.Context(), q)
		if err != nil {
			k.Fatalf("Namespaces(%+v): %v", c, err)
		}
		var got []string
		for _, n := range page.Namespaces {
			got = append(got, strings.TrimPrefix(n.Name, k.ns))
		}
		k.wantSame(fmt.Sprintf("namespaces of %+v", c), got, c.want)
		if page.More != c.more {
			k.Fatalf("Namespaces(%+v): more: %t", c, page.More)
		}
	}
	page, err := k.store.Namespaces(k.Context(), store.NamespaceQuery{From: k.ns + "-d", Limit: 1})
	if err != nil || len(page.Namespaces) != 1 || page.Namespaces[0].Name != k.ns+"-d" {
		k.Fatalf("without an end: got %+v, %v", page, err)
	}
}

// namespacesMany has more namespaces than any backend reads at once, of which some are
// empty.
func namespacesMany(k *kv) {
	const writers, each = 8, 100
	suffix := func(i int) string { return fmt.Sprintf("-%03d", i) }
	k.Cleanup(func() {
		for i := range writers * each {
			k.clear(k.ns + suffix(i))
		}
	})
	var want []string
	for i := range writers * each {
		if i%5 != 0 {
			want = append(want, suffix(i))
		}
	}
	k.together(writers, func(writer int) error {
		for i := writer; i < writers*each; i += writers {
			if _, err := k.store.Put(k.Context(), k.ns+suffix(i), store.Write{Key: "a"}); err != nil {
				return err
			}
			if i%5 != 0 {
				continue
			}
			if _, err := k.store.DeletePrefix(k.Context(), k.ns+suffix(i), ""); err != nil {
				return err
			}
		}
		return nil
	})
	for _, limit := range []int{7, 64, 1000} {
		k.wantSame("namespaces", k.names(limit), want)
	}
}

// namespacesIncrement: what makes an item makes its namespace.
func namespacesIncrement(k *kv) {
	k.increment(store.Addition{Key: "n", Delta: 1})
	k.wantHolds(1, 2)
	o := k.other()
	err := o.store.Delete(k.Context(), o.ns, store.Removal{Key: "a"})
	k.wantError("Delete", err, store.ErrNotFound)
	k.wantError("Put", o.try(store.Write{Key: "a", IfVersion: 7}), store.ErrVersion)
	k.wantHolds(1, 2)
}

// namespacesConcurrent counts right what many callers write and remove at once.
func namespacesConcurrent(k *kv) {
	const callers, rounds = 8, 15
	k.together(callers, func(caller int) error {
		for i := range rounds {
			key := fmt.Sprint(i % 3)
			switch (caller + i) % 3 {
			case 0:
				if err := k.try(store.Write{Key: key, Value: make([]byte, caller)}); err != nil {
					return err
				}
			case 1:
				_ = k.store.Delete(k.Context(), k.ns, store.Removal{Key: key}) // there or not
			default:
				_ = k.try(store.Write{Key: key, Value: make([]byte, i), IfAbsent: true})
			}
		}
		return nil
	})
	k.set("last", "v")
	var keys, bytes int64
	for _, item := range k.page(store.Query{}).Items {
		keys++
		bytes += int64(item.Size())
	}
	k.wantHolds(keys, bytes)
}
