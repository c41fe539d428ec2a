package hot_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/hot"
)

// BenchmarkRead is what each read of a busy service pays.
func BenchmarkRead(b *testing.B) {
	k := hot.New(time.Now, rand.Uint32)
	b.ReportAllocs()
	for b.Loop() {
		k.Read("default", "key")
	}
}
