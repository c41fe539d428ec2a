package disk_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// BenchmarkPut puts items of 100 bytes, each synced, in the store and in the bare
// engine, by turns.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("store-%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir(), disk.Options{})
			defer closeStore(b, s)
			each(b, callers, func(key string) error {
				_, err := s.Put(b.Context(), "bench", store.Write{Key: key, Value: make([]byte, 100)})
				return err
			})
		})
		b.Run(fmt.Sprintf("pebble-%d", callers), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{FormatMajorVersion: pebble.FormatWALSyncChunks, Logger: quiet{}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			each(b, callers, func(key string) error {
				return db.Set([]byte(key), make([]byte, 100), pebble.Sync)
			})
		})
	}
}

// BenchmarkGet gets items of 100 bytes, of 100,000, from the store and the bare engine.
func BenchmarkGet(b *testing.B) {
	b.Run("store", func(b *testing.B) {
		s := open(b, b.TempDir(), disk.Options{})
		defer closeStore(b, s)
		stock(b, func(key string) error {
			_, err := s.Put(b.Context(), "bench", store.Write{Key: key, Value: make([]byte, 100)})
			return err
		})
		each(b, 64, func(key string) error {
			_, err := s.Get(b.Context(), "bench", key)
			return err
		})
	})
	b.Run("pebble", func(b *testing.B) {
		db, err := pebble.Open(b.TempDir(), &pebble.Options{FormatMajorVersion: pebble.FormatWALSyncChunks, Logger: quiet{}})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		stock(b, func(key string) error { return db.Set([]byte(key), make([]byte, 100), pebble.NoSync) })
		each(b, 64, func(key string) error {
			_, closer, err := db.Get([]byte(key))
			if err != nil {
				return err
			}
			return closer.Close()
		})
	})
}

// stock puts what each asks for, from many callers.
func stock(b *testing.B, put func(key string) error) {
	b.Helper()
	var group sync.WaitGroup
	for caller := range 256 {
		group.Go(func() {
			for i := caller; i < 100_000; i += 256 {
				if err := put("user/" + strconv.Itoa(i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// each calls f from several callers at once.
func each(b *testing.B, callers int, f func(key string) error) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(max(callers/2, 1)) // times the processors
	run := func() error { return f("user/" + strconv.FormatInt(n.Add(1)*7919%100_000, 10)) }
	b.ResetTimer()
	if callers == 1 {
		for b.Loop() {
			if err := run(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := run(); err != nil {
				b.Error(err)
			}
		}
	})
}
