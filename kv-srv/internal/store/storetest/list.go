package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func listTests() []test {
	probe := func(k *kv) error {
		_, err := k.store.List(k.Context(), k.ns, store.Query{Limit: 1, MaxBytes: 1})
		return err
	}
	return []test{
		{"List/Empty", probe, listEmpty},
		{"List/Items", probe, listItems},
		{"List/Order", probe, listOrder},
		{"List/Prefix", probe, listPrefix},
		{"List/Paging", probe, listPaging},
		{"List/After", probe, listAfter},
		{"List/MaxBytes", probe, listMaxBytes},
		{"List/KeysOnly", probe, listKeysOnly},
		{"List/Namespaces", probe, listNamespaces},
		{"List/Expired", probe, listExpired},
	}
}

func listEmpty(k *kv) {
	page := k.page(store.Query{})
	if len(page.Items) != 0 || page.More {
		k.Fatalf("a namespace that nobody wrote to has %d items, more: %t", len(page.Items), page.More)
	}
	k.set("a", "v")
	k.delete("a")
	k.wantSame("keys after Delete", k.keys(store.Query{}), []string{})
}

func listItems(k *kv) {
	k.put(store.Write{Key: "a", Value: []byte("1"), Metadata: map[string]string{"m": "x"}, TTL: time.Hour})
	k.set("b", "")
	page := k.page(store.Query{})
	k.wantSame("items", page.Items, []store.Item{k.get("a"), k.get("b")})
	if page.More {
		k.Fatal("more items than were put")
	}
}

func listOrder(k *kv) {
	for _, key := range hardKeys {
		k.set(key, "v")
	}
	want := slices.Sorted(slices.Values(hardKeys))
	k.wantSame("keys", k.keys(store.Query{}), want)
	k.wantSame("keys page by page", k.keys(store.Query{Limit: 3}), want)
}

func listPrefix(k *kv) {
	keys := slices.Concat(hardKeys, []string{
		"axb", "a*b", "a?b", "a[b]", "a%b", "a_b", "a\\*b", "[a]b", "ab", "b", "éa", "日本", "日",
		"\U0010ffff\U0010ffff", "\U0010ffffa", "\U0010fffe", "\uffff", "\u07ff", "\u0800", "\x7fa", "z",
	})
	for _, key := range keys {
		k.set(key, "v")
	}
	slices.Sort(keys)
	for _, prefix := range []string{
		"", "a", "a*", "a?", "[a]", "a[", "a%", "a_", "a\\", "a/", "é", "e", "日", "日本", "z", "zz", "\x7f", "\x00",
		"\U0010ffff", "\U0010ffff\U0010ffff", "\uffff", "\u07ff", "a\x00", "*", "?", "%",
	} {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		what := fmt.Sprintf("keys under %q", prefix)
		k.wantSame(what, k.keys(store.Query{Prefix: prefix}), want)
		k.wantSame(what+" two by two", k.keys(store.Query{Prefix: prefix, Limit: 2}), want)
	}
}

func listPaging(k *kv) {
	var all []string
	for i := range 25 {
		key := fmt.Sprintf("a/%02d", i)
		all = append(all, key)
		k.set(key, "v")
	}
	k.set("b", "v")
	for _, limit := range []int{1, 5, 24, 25, 26, 1000} {
		q := store.Query{Prefix: "a/", Limit: limit}
		k.wantSame("keys", k.keys(q), all)
		page := k.page(q)
		if len(page.Items) > limit {
			k.Fatalf("a page of at most %d has %d items", limit, len(page.Items))
		}
		if more := len(page.Items) < len(all); page.More != more {
			k.Fatalf("a page of %d of %d items says more: %t", len(page.Items), len(all), page.More)
		}
	}
}

func listAfter(k *kv) {
	for _, key := range []string{"a", "b", "b/1", "b/2", "b/3", "c"} {
		k.set(key, "v")
	}
	k.delete("b/2")
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "b", []string{"b/1", "b/3", "c"}},
		{"b/", "b/1", []string{"b/3"}},
		{"b/", "b/2", []string{"b/3"}}, // deleted meanwhile
		{"b/", "b/3", nil},
		{"b/", "a", []string{"b/1", "b/3"}},
		{"b/", "c", nil},
		{"b", "b", []string{"b/1", "b/3"}},
		{"", "c", nil},
	} {
		got := k.keys(store.Query{Prefix: c.prefix, After: c.after})
		k.wantSame(fmt.Sprintf("keys under %q after %q", c.prefix, c.after), got, c.want)
	}
}

func listMaxBytes(k *kv) {
	var all []string
	for i := range 10 {
		key := fmt.Sprint("k", i)
		all = append(all, key)
		k.put(store.Write{Key: key, Value: make([]byte, 1000), Metadata: map[string]string{"m": "12345"}})
	}
	const each = 2 + 1000 + 6
	for _, most := range []int{1, each, 2*each - 1, 3 * each, 10 * each, 20 * each} {
		q := store.Query{Limit: 1000, MaxBytes: most}
		k.wantSame("keys", k.keys(q), all)
		for {
			page := k.page(q)
			if n := len(page.Items); n > 1 && n*each > most {
				k.Fatalf("a page of at most %d bytes has %d items of %d", most, n, each)
			}
			if !page.More {
				break
			}
			q.After = page.Items[len(page.Items)-1].Key
		}
	}
}

func listKeysOnly(k *kv) {
	k.put(store.Write{Key: "a", Value: []byte("1"), Metadata: map[string]string{"m": "x"}, TTL: time.Hour})
	k.set("b", "2")
	want := []store.Item{k.get("a"), k.get("b")}
	for i := range want {
		want[i].Value = nil
	}
	k.wantSame("items", k.page(store.Query{KeysOnly: true}).Items, want)
}

func listNamespaces(k *kv) {
	o := k.other()
	k.set("a", "v")
	k.set("2/a", "v")
	o.set("b", "v")
	k.wantSame("keys", k.keys(store.Query{}), []string{"2/a", "a"})
	o.wantSame("keys of the other", o.keys(store.Query{}), []string{"b"})
}

func listExpired(k *kv) {
	for i := range 20 {
		k.put(store.Write{Key: fmt.Sprintf("short/%02d", i), TTL: second})
	}
	k.set("stays", "v")
	k.eventually("expiry of the items", func() bool {
		before := time.Now()
		page := k.page(store.Query{})
		for _, item := range page.Items {
			k.wantAlive(item, before)
		}
		return len(page.Items) == 1
	})
	k.wantSame("keys", k.keys(store.Query{Limit: 1}), []string{"stays"})
	page := k.page(store.Query{Prefix: "short/", Limit: 1})
	if len(page.Items) != 0 || page.More {
		k.Fatalf("expired items leave %d items, more: %t", len(page.Items), page.More)
	}
}

func deletePrefixTests() []test {
	probe := func(k *kv) error {
		_, err := k.store.DeletePrefix(k.Context(), k.ns, "a")
		return err
	}
	return []test{
		{"DeletePrefix/Counts", probe, deletePrefixCounts},
		{"DeletePrefix/Literal", probe, deletePrefixLiteral},
		{"DeletePrefix/All", probe, deletePrefixAll},
		{"DeletePrefix/Many", probe, deletePrefixMany},
	}
}

// deletes deletes a prefix and checks how many items that removed.
func (k *kv) deletes(prefix string, want int) {
	k.Helper()
	got, err := k.store.DeletePrefix(k.Context(), k.ns, prefix)
	if err != nil || got != want {
		k.Fatalf("DeletePrefix(%q): got %d, %v, want %d", prefix, got, err, want)
	}
}

func deletePrefixCounts(k *kv) {
	k.deletes("nothing", 0)
	for _, key := range []string{"a", "b", "b/1", "b/2", "bb", "c"} {
		k.set(key, "v")
	}
	k.deletes("b/", 2)
	k.wantMissing("b/1")
	k.wantMissing("b/2")
	k.deletes("b/", 0)
	k.deletes("b", 2)
	k.wantMissing("b")
	k.wantMissing("bb")
	k.wantValue("a", "v")
	k.wantValue("c", "v")
}

func deletePrefixLiteral(k *kv) {
	keys := []string{"a*b", "axb", "a?b", "[a]", "a", "%", "_", "\U0010ffff", "\U0010ffffa", "\U0010fffe"}
	for _, key := range keys {
		k.set(key, "v")
	}
	for _, prefix := range []string{"*", "?", "a*b*", "[ab]", "a?b?", "_%"} {
		k.deletes(prefix, 0)
	}
	k.deletes("a*", 1)
	k.wantMissing("a*b")
	k.deletes("[", 1)
	k.deletes("%", 1)
	k.deletes("\U0010ffff", 2)
	for _, key := range []string{"axb", "a?b", "a", "_", "\U0010fffe"} {
		k.wantValue(key, "v")
	}
}

func deletePrefixAll(k *kv) {
	o := k.other()
	o.set("a", "v")
	for _, key := range hardKeys {
		k.set(key, "v")
	}
	k.deletes("", len(hardKeys))
	for _, key := range hardKeys {
		k.wantMissing(key)
	}
	k.deletes("", 0)
	o.wantValue("a", "v")
}

func deletePrefixMany(k *kv) {
	const writers, each = 10, 120
	k.together(writers, func(i int) error {
		for j := range each {
			if err := k.try(store.Write{Key: fmt.Sprint("many/", i, "/", j)}); err != nil {
				return err
			}
		}
		return nil
	})
	k.set("other", "v")
	k.deletes("many/", writers*each)
	k.wantValue("other", "v")
}
