package memcached_test

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memcached"
	"github.com/micro/platform/tests/backends"
)

const patient = 30 * time.Second // what should happen at once may take this long

// own opens a store in a memcached of the test's own.
func own(t *testing.T, options ...string) *memcached.Store {
	t.Helper()
	backends.URL(t, "memcached") // where there is one, there is its binary
	address := backends.FreeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	backends.Run(t, "memcached", append([]string{"-l", host, "-p", port, "-U", "0", "-u", username(t)}, options...)...)
	s := open(t, address)
	for late := time.Now().Add(patient); s.Ready(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not ready within %v: %v", patient, s.Ready(t.Context()))
		}
	}
	return s
}

func username(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// TestFull fills a memcached that may not forget: it says so, keeps what it has, and takes
// more when there is room.
func TestFull(t *testing.T) {
	s := own(t, "-M", "-m", "8")
	value := make([]byte, 100<<10)
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = s.Put(t.Context(), t.Name(), store.Write{Key: fmt.Sprint(n), Value: value})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d items: got %v, want %v", n, err, store.ErrFull)
	}
	for i := range n - 1 {
		if item, err := s.Get(t.Context(), t.Name(), fmt.Sprint(i)); err != nil || len(item.Value) != len(value) {
			t.Errorf("item %d of %d: %d bytes, %v", i, n-1, len(item.Value), err)
		}
	}
	for i := range 10 {
		if err := s.Delete(t.Context(), t.Name(), store.Removal{Key: fmt.Sprint(i)}); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	mustPut(t, s, store.Write{Key: "room", Value: value})
}

// TestLargerItems: -I lets memcached take more.
func TestLargerItems(t *testing.T) {
	s := own(t, "-I", "4m", "-m", "64")
	large := make([]byte, 4<<20-1<<10)
	mustPut(t, s, store.Write{Key: "a", Value: large})
	if item, err := s.Get(t.Context(), t.Name(), "a"); err != nil || len(item.Value) != len(large) {
		t.Errorf("got %d bytes, %v, want %d", len(item.Value), err, len(large))
	}
	_, err := s.Put(t.Context(), t.Name(), store.Write{Key: "a", Value: make([]byte, 4<<20)})
	if _, ok := errors.AsType[*store.LimitError](err); !ok {
		t.Errorf("got %v, want the limit", err)
	}
}
