package memory_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

const benchKeys = 100_000

// filled returns a store of 100,000 items of 100 bytes, and their keys.
func filled(b *testing.B, opts memory.Options) (*memory.Store, []string) {
	b.Helper()
	s := open(b, opts)
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i*7919%benchKeys)
		bench(b, s, store.Write{Key: keys[i], Value: make([]byte, 100)})
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s, keys
}

func bench(b *testing.B, s *memory.Store, w store.Write) {
	if _, err := s.Put(b.Context(), "bench", w); err != nil {
		b.Error(err)
	}
}

func BenchmarkGet(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	ctx := b.Context()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Get(ctx, "bench", keys[i%benchKeys]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		for i := 0; pb.Next(); i += 17 {
			if _, err := s.Get(ctx, "bench", keys[i%benchKeys]); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		bench(b, s, store.Write{Key: keys[i%benchKeys], Value: value})
	}
}

// BenchmarkPutMixed puts from all processors while others get.
func BenchmarkPutMixed(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	value := make([]byte, 100)
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		for i := 0; pb.Next(); i += 17 {
			if i%10 == 0 {
				bench(b, s, store.Write{Key: keys[i%benchKeys], Value: value})
			} else if _, err := s.Get(ctx, "bench", keys[i%benchKeys]); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkPutTTL(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		bench(b, s, store.Write{Key: keys[i%benchKeys], Value: value, TTL: 3600e9})
	}
}

func BenchmarkPutRequestID(b *testing.B) {
	s, keys := filled(b, memory.Options{MaxBytes: 64 << 30})
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		bench(b, s, store.Write{Key: keys[i%benchKeys], Value: value, RequestID: strconv.Itoa(i)})
	}
}

// BenchmarkPutWatched puts next to 10,000 watchers of other keys.
func BenchmarkPutWatched(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	for i := range 10_000 {
		startWatch(b, s, "bench", "other/"+strconv.Itoa(i), 0)
	}
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		bench(b, s, store.Write{Key: keys[i%benchKeys], Value: value})
	}
}

// BenchmarkPutEvict adds items to a full store, each in the place of another.
func BenchmarkPutEvict(b *testing.B) {
	s, _ := filled(b, memory.Options{MaxBytes: 32 << 20, Evict: true})
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		bench(b, s, store.Write{Key: "new/" + strconv.Itoa(i), Value: value})
	}
}

func BenchmarkIncrement(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	ctx := b.Context()
	for _, key := range keys {
		bench(b, s, store.Write{Key: key, Value: []byte("1000")})
	}
	for i := 0; b.Loop(); i++ {
		if _, _, err := s.Increment(ctx, "bench", store.Addition{Key: keys[i%benchKeys], Delta: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList100(b *testing.B) {
	s, keys := filled(b, memory.Options{})
	ctx := b.Context()
	for i := 0; b.Loop(); i++ {
		q := store.Query{Prefix: "user/", After: keys[i%benchKeys/2], Limit: 100, MaxBytes: 3 << 20}
		if page, err := s.List(ctx, "bench", q); err != nil || len(page.Items) == 0 {
			b.Fatal(len(page.Items), err)
		}
	}
}
