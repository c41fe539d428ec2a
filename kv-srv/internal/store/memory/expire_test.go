package memory_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// TestExpiredEventWithinASecond gives items times to live, new ones, none, and deletes
// some, and compares each event with the time it should come at.
func TestExpiredEventWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(memory.Options{})
		defer s.Close()
		ctx, ends := t.Context(), make(map[string]time.Time)
		for i := range 3000 {
			key, ttl := strconv.Itoa(i/2), time.Duration(1+rand.IntN(int(time.Hour)))
			mustPut(t, s, "ns", store.Write{Key: key, TTL: ttl})
			ends[key] = time.Now().Add(ttl)
			other := strconv.Itoa(rand.IntN(1500))
			switch rand.IntN(4) {
			case 0:
				if _, err := s.Touch(ctx, "ns", other, ttl/2); err == nil {
					ends[other] = time.Now().Add(ttl / 2)
				}
			case 1:
				if err := s.Delete(ctx, "ns", store.Removal{Key: other}); err == nil {
					delete(ends, other)
				}
			case 2:
				mustPut(t, s, "ns", store.Write{Key: other})
				delete(ends, other)
			}
		}
		want, began := len(ends), time.Now()
		stop := errors.New("stop")
		err := s.Watch(ctx, "ns", "", 0, func(e store.Event) error {
			if e.Kind == store.Progress {
				if time.Since(began) > 2*time.Hour {
					return errors.New("no more events")
				}
				return nil
			}
			late := time.Since(ends[e.Item.Key])
			if e.Kind != store.Expired || late < 0 || late > time.Second {
				t.Errorf("%+v comes %v after its time", e, late)
			}
			if delete(ends, e.Item.Key); len(ends) == 0 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Expired != uint64(want) {
			t.Errorf("%d items expired, want %d", st.Expired, want)
		}
	})
}

// TestIdleStoreSleeps counts how often the store looks at the clock.
func TestIdleStoreSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		s := memory.Open(memory.Options{Now: func() time.Time {
			looks.Add(1)
			return time.Now()
		}})
		defer s.Close()
		mustPut(t, s, "ns", store.Write{Key: "a"})
		mustPut(t, s, "ns", store.Write{Key: "b", TTL: time.Minute})
		synctest.Wait()
		before := looks.Load()
		for range 100 {
			mustPut(t, s, "ns", store.Write{Key: "c", TTL: 48 * time.Hour})
			synctest.Wait()
		}
		if n := looks.Load() - before; n > 100 {
			t.Errorf("100 writes of what ends later woke the sweeper %d times", n-100)
		}
		before = looks.Load()
		time.Sleep(24 * time.Hour)
		if n := looks.Load() - before; n > 2 {
			t.Errorf("the store woke up %d times for one expiry", n)
		}
		if n := s.Stats().Items; n != 2 {
			t.Errorf("%d items are left, want 2", n)
		}
	})
}
