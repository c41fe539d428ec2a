package etcd_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" //nolint:depguard // etcd's client takes no other logger

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/etcd"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
	"github.com/micro/platform/tests/backends"
)

const patient = 60 * time.Second // what should happen at once may take this long

// open opens a store below a prefix of its own, and a client that sees what it does.
func open(t *testing.T) (*etcd.Store, *clientv3.Client, string) {
	t.Helper()
	u := *backends.URL(t, "etcd")
	u.Path = "/test-" + strings.ToLower(rand.Text())
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{u.Host}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.Delete(context.WithoutCancel(t.Context()), u.Path+"/", clientv3.WithPrefix()); err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
	return openAt(t, &u), client, u.Path + "/"
}

func openAt(t *testing.T, u *url.URL) *etcd.Store {
	t.Helper()
	s, err := etcd.Open(t.Context(), u)
	return storetest.Opened(t, s, err)
}

func mustPut(t *testing.T, s *etcd.Store, w store.Write) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), "ns", w)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func keysUnder(t *testing.T, client *clientv3.Client, prefix string) []string {
	t.Helper()
	rsp, err := client.Get(t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, kv := range rsp.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}

func TestTooLarge(t *testing.T) {
	s, _, _ := open(t)
	_, err := s.Put(t.Context(), "ns", store.Write{Key: "a", Value: make([]byte, 1700<<10)})
	var limit *store.LimitError
	if !errors.As(err, &limit) || !strings.Contains(err.Error(), "etcd takes no more than a request of 1.5 MiB") {
		t.Errorf("got %v, want the limit", err)
	}
}

func TestCompacted(t *testing.T) {
	s, client, _ := open(t)
	first := mustPut(t, s, store.Write{Key: "a"})
	last := mustPut(t, s, store.Write{Key: "a"})
	if _, err := client.Compact(t.Context(), int64(last)); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	for from, want := range map[uint64]error{first: store.ErrCompacted, last: stop, 0: stop, last + 1<<40: store.ErrCompacted} {
		err := s.Watch(t.Context(), "ns", "", from, func(store.Event) error { return stop })
		if !errors.Is(err, want) {
			t.Errorf("Watch from %d: got %v, want %v", from, err, want)
		}
	}
}

// TestAlarms writes an item with a time to live again and again, and wants the memory
// that takes to be bounded, and all of it gone at the end.
func TestAlarms(t *testing.T) {
	s, client, root := open(t)
	for range 300 {
		mustPut(t, s, store.Write{Key: "long", TTL: time.Hour})
	}
	if n := len(keysUnder(t, client, root+"t/")); n < 1 || n > 3 {
		t.Errorf("an item that was written 300 times has %d alarms", n)
	}
	for i := range 100 {
		mustPut(t, s, store.Write{Key: "short", TTL: time.Second + time.Duration(i)*10*time.Millisecond})
	}
	if err := s.Delete(t.Context(), "ns", store.Removal{Key: "long"}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, store.Write{Key: "early", TTL: 5 * time.Second}) // is looked at before its end
	for late := time.After(patient); ; {
		items := keysUnder(t, client, root+"i/ns/")
		alarms := keysUnder(t, client, root+"t/")
		if len(items) == 2 && strings.HasSuffix(items[0], "\xff") && strings.HasSuffix(items[1], "\xff") && len(alarms) <= 1 {
			return // the marks of the two that expired, and the alarm of an hour
		}
		select {
		case <-late:
			t.Fatalf("items %q, alarms %q are left", items, alarms)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestShared lets a second store remove what the first, which is gone, left to expire.
func TestShared(t *testing.T) {
	s, client, root := open(t)
	u := *backends.URL(t, "etcd")
	u.Path = strings.TrimSuffix(root, "/")
	first, err := etcd.Open(t.Context(), &u)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan store.Event, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{})
	go func() {
		_ = s.Watch(ctx, "ns", "", 0, func(e store.Event) error {
			if e.Kind == store.Progress {
				close(begun)
				return nil
			}
			events <- e
			return nil
		})
	}()
	<-begun
	mustPut(t, first, store.Write{Key: "a", TTL: 2 * time.Second})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []store.Kind{store.Put, store.Expired} {
		select {
		case e := <-events:
			if e.Kind != want || e.Item.Key != "a" {
				t.Fatalf("got %+v, want kind %d of a", e, want)
			}
		case <-time.After(patient):
			t.Fatalf("no event of kind %d", want)
		}
	}
	if left := keysUnder(t, client, root+"t/"); len(left) > 0 {
		t.Errorf("alarms %q are left", left)
	}
}
