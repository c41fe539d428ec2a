package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/tests/backends"
)

// TestFailover kills a master: its replica takes over, without the store being told.
func TestFailover(t *testing.T) {
	s := open(t, backends.URL(t, "redissentinel"))
	before := mustPut(t, s, store.Write{Key: "before"})
	replicated(t)
	events, end := watch(t, s, before)
	backends.Kill(t, "redissentinel")
	failed, version := 0, uint64(0)
	await(t, "a write after the kill", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		if version, err = s.Put(ctx, "ns", store.Write{Key: "after"}); err != nil {
			failed++
		}
		if ctx.Err() != nil {
			t.Error("a call outlived its deadline")
		}
		return err == nil
	})
	if failed == 0 || version <= before {
		t.Errorf("%d calls failed, and version %d follows %d", failed, version, before)
	}
	if _, err := s.Get(t.Context(), "ns", "before"); err != nil {
		t.Errorf("what was written before: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
	select {
	case e := <-events:
		if e.Item.Key != "after" || e.Version != version {
			t.Errorf("got %+v, want version %d", e, version)
		}
	case err := <-end:
		t.Errorf("the watch ended: %v", err)
	case <-time.After(patient):
		t.Error("the watch does not go on")
	}
	if _, err := s.DeletePrefix(t.Context(), "ns", ""); err != nil {
		t.Error(err)
	}
}

// replicated waits until the replica has what was written: it may lack the last writes.
func replicated(t *testing.T) {
	t.Helper()
	u := backends.URL(t, "redissentinel")
	c := client.NewFailoverClient(&client.FailoverOptions{MasterName: strings.TrimPrefix(u.Path, "/"), SentinelAddrs: []string{u.Host}})
	defer c.Close()
	one := c.Conn() // whose own writes are waited for, and thereby all before
	defer one.Close()
	if err := one.Set(t.Context(), "test-replicated", "", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := one.Do(t.Context(), "wait", 1, 5000).Int(); err != nil || n != 1 {
		t.Fatalf("%d replicas, %v, want 1", n, err)
	}
}
