package disk_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// BenchmarkBesidePebble puts and gets items of 100 bytes, each put synced, in the store
// and in the bare engine. Each of its iterations is a pair of runs in turn; the ratio is
// the median, with the least and the most. It is what make bench prints.
func BenchmarkBesidePebble(b *testing.B) {
	s := open(b, b.TempDir(), disk.Options{})
	defer closeStore(b, s)
	db, err := pebble.Open(b.TempDir(), &pebble.Options{FormatMajorVersion: pebble.FormatWALSyncChunks, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	put := func(key string) error {
		_, err := s.Put(b.Context(), "bench", store.Write{Key: key, Value: make([]byte, 100)})
		return err
	}
	bare := func(key string) error { return db.Set([]byte(key), make([]byte, 100), pebble.Sync) }
	stock(b, put)
	stock(b, func(key string) error { return db.Set([]byte(key), make([]byte, 100), pebble.NoSync) })
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("Put/callers=%d", callers), func(b *testing.B) { pairs(b, callers, put, bare) })
	}
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("Get/callers=%d", callers), func(b *testing.B) {
			pairs(b, callers, func(key string) error {
				_, err := s.Get(b.Context(), "bench", key)
				return err
			}, func(key string) error {
				value, closer, err := db.Get([]byte(key))
				if err != nil {
					return err
				}
				kept := bytes.Clone(value) // which is the engine's own
				if err := closer.Close(); err != nil || len(kept) != 100 {
					return fmt.Errorf("got %d bytes: %w", len(kept), err)
				}
				return nil
			})
		})
	}
}

const (
	stocked = 100_000
	length  = 300 * time.Millisecond // of one run
)

// pairs reports how many calls a second ours takes, and how many those of the peer are.
func pairs(b *testing.B, callers int, ours, peer func(key string) error) {
	b.Helper()
	var ratios, rates, peers []float64
	for i := 0; b.Loop(); i++ {
		var x, y float64
		if i%2 == 0 {
			x = rate(b, callers, ours)
			y = rate(b, callers, peer)
		} else {
			y = rate(b, callers, peer)
			x = rate(b, callers, ours)
		}
		ratios, rates, peers = append(ratios, x/y), append(rates, x), append(peers, y)
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(slices.Min(ratios), "min")
	b.ReportMetric(slices.Max(ratios), "max")
	b.ReportMetric(median(rates), "ours/s")
	b.ReportMetric(median(peers), "peer/s")
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// rate calls f from several callers at once, for a while.
func rate(b *testing.B, callers int, f func(key string) error) float64 {
	b.Helper()
	var n atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range callers {
		group.Go(func() {
			for time.Since(start) < length {
				if err := f("user/" + strconv.FormatInt(n.Add(1)*7919%stocked, 10)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}

// stock puts what rate asks for, from many callers.
func stock(b *testing.B, put func(key string) error) {
	b.Helper()
	var group sync.WaitGroup
	for caller := range 256 {
		group.Go(func() {
			for i := caller; i < stocked; i += 256 {
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
