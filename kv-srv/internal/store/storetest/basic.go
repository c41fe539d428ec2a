package storetest

import (
	"bytes"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

const (
	maxKey   = 1024
	maxValue = 1 << 20
)

func getTests() []test {
	return []test{
		{"Get/Missing", nil, func(k *kv) { k.wantMissing("nothing") }},
		{"Get/Namespaces", nil, getNamespaces},
	}
}

func getNamespaces(k *kv) {
	o := k.other()
	k.set("a", "here")
	o.wantMissing("a")
	o.set("a", "there")
	k.wantValue("a", "here")
	o.delete("a")
	k.wantValue("a", "here")
	k.set("2/a", "no path") // "ns" + "-2/a" is not "ns-2" + "a"
	k.set("-2/a", "no path")
	o.wantMissing("a")
}

func putTests() []test {
	large := func(size int) func(*kv) error {
		return func(k *kv) error { return k.try(store.Write{Key: "a", Value: make([]byte, size)}) }
	}
	return []test{
		{"Put/RoundTrip", nil, putRoundTrip},
		{"Put/Metadata", func(k *kv) error {
			return k.try(store.Write{Key: "a", Metadata: map[string]string{"type": "text"}})
		}, putMetadata},
		{"Put/LargestValue", large(maxValue), putLargestValue},
		{"Put/Keys", nil, putKeys},
		{"Put/LongestKey", func(k *kv) error {
			return k.try(store.Write{Key: strings.Repeat("k", maxKey)})
		}, putLongestKey},
		{"Put/Overwrite", nil, putOverwrite},
		{"Put/VersionsGrow", nil, putVersionsGrow},
		{"Put/IfAbsent", func(k *kv) error { return k.try(store.Write{Key: "a", IfAbsent: true}) }, putIfAbsent},
		{"Put/IfVersion", func(k *kv) error { return k.try(store.Write{Key: "a", IfVersion: 1}) }, putIfVersion},
	}
}

// try is what probes put with.
func (k *kv) try(w store.Write) error {
	_, err := k.store.Put(k.Context(), k.ns, w)
	return err
}

func putRoundTrip(k *kv) {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for key, value := range map[string][]byte{
		"nil": nil, "empty": {}, "text": []byte("text"), "zero": {0}, "line": []byte("a\r\nb\r\n"),
		"binary": binary, "number": []byte("42"), "json": []byte(`{"a":1}`),
	} {
		before := time.Now()
		version := k.put(store.Write{Key: key, Value: value})
		after := time.Now()
		got := k.get(key)
		want := store.Item{Key: key, Value: value, Version: version, Updated: got.Updated}
		k.wantSame("item", got, want)
		if version == 0 {
			k.Fatal("version is 0")
		}
		if got.Updated.Before(before.Add(-second)) || got.Updated.After(after.Add(second)) {
			k.Fatalf("Updated is %v, written between %v and %v", got.Updated, before, after)
		}
	}
}

func putMetadata(k *kv) {
	metadata := map[string]string{"type": "text/plain", "": "empty key", "empty": "", "schön": "日本\x00\n"}
	k.put(store.Write{Key: "a", Value: []byte("v"), Metadata: metadata})
	k.wantSame("metadata", k.get("a").Metadata, metadata)
	k.set("a", "w")
	k.wantSame("metadata after a write without", k.get("a").Metadata, map[string]string{})
	many := make(map[string]string)
	for _, r := range "abcdefghijklmnop" {
		many[string(r)] = strings.Repeat("x", 4096/16-1)
	}
	k.put(store.Write{Key: "a", Metadata: many})
	k.wantSame("4 KiB of metadata", k.get("a").Metadata, many)
}

func putLargestValue(k *kv) {
	value := bytes.Repeat([]byte("0123456789abcde\x00"), maxValue/16)
	k.put(store.Write{Key: "a", Value: value})
	if !bytes.Equal(k.get("a").Value, value) {
		k.Fatal("1 MiB changed on its way")
	}
}

// hardKeys are keys that a protocol or a naive composition of names may trip over.
var hardKeys = []string{
	"a", "A", "a ", " a", "a/b", "/a", "a/", "a//b", "../a", "a:b", "a%2Fb", "a\x00b", "a\nb", "a\r\nb",
	"a*", "a?", "[a]", "{a}", "a\\b", "'a\"", "a;b", "-a", "é", "e\u0301", "日本語", "🙂", "\U0010ffff", "\x7f",
}

func putKeys(k *kv) {
	for _, key := range hardKeys {
		k.set(key, "value of "+key)
	}
	for _, key := range hardKeys {
		if got := k.get(key); got.Key != key || string(got.Value) != "value of "+key {
			k.Fatalf("key %q: got key %q, value %q", key, got.Key, got.Value)
		}
	}
	for _, key := range hardKeys {
		k.delete(key)
		k.wantMissing(key)
	}
}

func putLongestKey(k *kv) {
	long := strings.Repeat("日本", maxKey/6) + "1234"
	k.set(long, "v")
	k.wantValue(long, "v")
	k.wantMissing(long[:maxKey-1])
}

func putOverwrite(k *kv) {
	k.set("a", "first")
	first := k.get("a")
	version := k.set("a", "second")
	k.wantLater("Put", version, first.Version)
	second := k.get("a")
	if string(second.Value) != "second" || second.Version != version {
		k.Fatalf("got %q of version %d, want the second value of version %d", second.Value, second.Version, version)
	}
	if string(first.Value) != "first" {
		k.Fatalf("an item that was returned changed to %q", first.Value)
	}
}

func putVersionsGrow(k *kv) {
	last := uint64(0)
	for i := range 5 {
		version := k.set("a", "v")
		k.wantLater("Put", version, last)
		again := k.set("a", "v")
		k.wantLater("Put of the same value", again, version)
		last = again
		if i%2 == 0 {
			k.delete("a")
		}
	}
}

func putIfAbsent(k *kv) {
	version := k.put(store.Write{Key: "a", Value: []byte("1"), IfAbsent: true})
	err := k.try(store.Write{Key: "a", Value: []byte("2"), IfAbsent: true})
	k.wantError("Put where there is an item", err, store.ErrExists)
	if got := k.get("a"); string(got.Value) != "1" || got.Version != version {
		k.Fatalf("a refused Put left %q of version %d, want %q of version %d", got.Value, got.Version, "1", version)
	}
	k.delete("a")
	again := k.put(store.Write{Key: "a", Value: []byte("3"), IfAbsent: true})
	k.wantLater("Put after Delete", again, version)
	k.wantValue("a", "3")
}

func putIfVersion(k *kv) {
	first := k.set("a", "1")
	second := k.put(store.Write{Key: "a", Value: []byte("2"), IfVersion: first})
	k.wantLater("Put", second, first)
	for _, wrong := range []uint64{first, second + 1} {
		err := k.try(store.Write{Key: "a", Value: []byte("3"), IfVersion: wrong})
		k.wantError("Put of the wrong version", err, store.ErrVersion)
	}
	if got := k.get("a"); string(got.Value) != "2" || got.Version != second {
		k.Fatalf("a refused Put left %q of version %d", got.Value, got.Version)
	}
	k.wantError("Put where there is no item", k.try(store.Write{Key: "b", IfVersion: second}), store.ErrVersion)
	k.wantMissing("b")
	k.delete("a")
	k.wantError("Put after Delete", k.try(store.Write{Key: "a", IfVersion: second}), store.ErrVersion)
	k.set("a", "1")
	k.wantError("Put after re-creation", k.try(store.Write{Key: "a", IfVersion: second}), store.ErrVersion)
}

func deleteTests() []test {
	return []test{
		{"Delete/Missing", nil, func(k *kv) {
			err := k.store.Delete(k.Context(), k.ns, store.Removal{Key: "nothing"})
			k.wantError("Delete", err, store.ErrNotFound)
		}},
		{"Delete/Item", nil, func(k *kv) {
			k.set("a", "v")
			k.set("ab", "v")
			k.delete("a")
			k.wantMissing("a")
			k.wantValue("ab", "v")
			err := k.store.Delete(k.Context(), k.ns, store.Removal{Key: "a"})
			k.wantError("a second Delete", err, store.ErrNotFound)
		}},
		{"Delete/IfVersion", func(k *kv) error {
			return k.store.Delete(k.Context(), k.ns, store.Removal{Key: "a", IfVersion: 1})
		}, deleteIfVersion},
	}
}

func deleteIfVersion(k *kv) {
	remove := func(version uint64) error {
		return k.store.Delete(k.Context(), k.ns, store.Removal{Key: "a", IfVersion: version})
	}
	k.wantError("Delete where there is no item", remove(1), store.ErrNotFound)
	first := k.set("a", "1")
	second := k.set("a", "2")
	k.wantError("Delete of an old version", remove(first), store.ErrVersion)
	k.wantError("Delete of a version to come", remove(second+1), store.ErrVersion)
	k.wantValue("a", "2")
	k.wantError("Delete", remove(second), nil)
	k.wantMissing("a")
}
