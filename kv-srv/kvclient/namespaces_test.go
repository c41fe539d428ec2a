package kvclient_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// settings have namespaces in stores of their own, and one that is named all the same.
func settings(rest string) map[string]string {
	return map[string]string{"KV_STORE": rest, "KV_STORES": "own=memory:?size=16MiB,same=" + rest + ",gone=memcached://127.0.0.1:1"}
}

func TestListNamespaces(t *testing.T) {
	p := hosttest.Run(t, settings("memory:"), kvserver.Service())
	kv, ctx := kvclient.New(p.Client), t.Context()
	const more = 1200 // than a page
	want := []kvclient.Namespace{
		{Name: "gone", Backend: "memcached", Keys: -1, Bytes: -1},
		{Name: "ns", Backend: "memory", Keys: 2, Bytes: 5},
	}
	put(t, kvclient.New(p.Client, kvclient.WithNamespace("ns")), "a", "1")
	put(t, kvclient.New(p.Client, kvclient.WithNamespace("ns")), "b", "12")
	for i := range more {
		name := fmt.Sprintf("ns-%04d", i)
		put(t, kvclient.New(p.Client, kvclient.WithNamespace(name)), "k", "")
		want = append(want, kvclient.Namespace{Name: name, Backend: "memory", Keys: 1, Bytes: 1})
	}
	want = append(want, kvclient.Namespace{Name: "own", Backend: "memory"}, kvclient.Namespace{Name: "same", Backend: "memory"})

	unlisted := "unset"
	var got []kvclient.Namespace
	for n, err := range kv.Namespaces(ctx, kvclient.SaveUnlisted(&unlisted)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if diff := cmp.Diff(want, got); diff != "" || unlisted != "" {
		t.Errorf("unlisted %q, (-want +got):\n%s", unlisted, diff)
	}
	for n, err := range kv.Namespaces(ctx) {
		if n.Name != "gone" || err != nil {
			t.Errorf("first: got %+v, %v", n, err)
		}
		break
	}
}

// TestListNamespacesUnlisted: of a service that cannot list, those that are named are known.
func TestListNamespacesUnlisted(t *testing.T) {
	kv := kvclient.New(hosttest.Run(t, settings("memcached://127.0.0.1:1"), kvserver.Service()).Client)
	var unlisted string
	var got []string
	for n, err := range kv.Namespaces(t.Context(), kvclient.SaveUnlisted(&unlisted)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n.Name+" in "+n.Backend)
	}
	if diff := cmp.Diff([]string{"gone in memcached", "own in memory", "same in memcached"}, got); diff != "" || unlisted != "memcached" {
		t.Errorf("unlisted %q, (-want +got):\n%s", unlisted, diff)
	}

	kv = kvclient.New(hosttest.Run(t, map[string]string{"KV_STORE": "memcached://127.0.0.1:1"}, kvserver.Service()).Client)
	for n, err := range kv.Namespaces(t.Context()) {
		if e, ok := errors.AsType[*kvclient.Error](err); !ok || e.Reason != "kv.unsupported" {
			t.Errorf("got %+v, %v, want kv.unsupported", n, err)
		}
	}
}

func TestHotKeys(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv, other, ctx := kvclient.New(p.Client), kvclient.New(p.Client, kvclient.WithNamespace("other")), t.Context()
	for i := range 30 {
		put(t, other, fmt.Sprint("k", i), "")
	}
	for range 3 {
		_, _ = kv.Get(ctx, "missing")
	}
	if _, err := kv.BatchGet(ctx, "missing", "a"); err != nil {
		t.Fatal(err)
	}
	names := func(kv *kvclient.Client, opts ...kvclient.HotKeysOption) (names []string) {
		keys, err := kv.HotKeys(ctx, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			names = append(names, k.Namespace+"/"+k.Key)
			if reads, writes := k.Namespace == "default", k.Namespace == "other"; (k.Reads > 0) != reads || (k.Writes > 0) != writes {
				t.Errorf("got %+v", k)
			}
		}
		return names
	}
	if diff := cmp.Diff([]string{"default/missing", "default/a"}, names(kv)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for want, got := range map[int][]string{20: names(other), 30: names(other, kvclient.MaxKeys(100)), 32: names(other, kvclient.AllNamespaces(), kvclient.MaxKeys(100))} {
		if len(got) != want {
			t.Errorf("got %d keys, want %d", len(got), want)
		}
	}
	if got := names(kv, kvclient.AllNamespaces(), kvclient.MaxKeys(1)); len(got) != 1 || got[0] != "default/missing" {
		t.Errorf("the most frequent of all: got %v", got)
	}
}
