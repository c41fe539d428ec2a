package ring_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// TestWatchLarge: a watch that begins in the past is told of more than goes into one
// message.
func TestWatchLarge(t *testing.T) {
	all := newRing(t, 2)
	from := put(t, all[0], "first", "")
	value := string(make([]byte, 1<<20))
	const keys = 12
	for i := range keys {
		put(t, all[0], "k"+strconv.Itoa(i), value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen, last, enough := 0, from, errors.New("enough")
	err := all[0].Watch(ctx, ns, "k", from, func(e store.Event) error {
		if e.Kind != store.Put {
			return nil
		}
		if e.Version <= last {
			t.Errorf("version %d came after %d", e.Version, last)
		}
		last = e.Version
		if seen++; seen == keys {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("after %d of %d events: %v", seen, keys, err)
	}
}
