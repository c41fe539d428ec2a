package near_test

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkHit reads what is kept, of every size in the same time.
func BenchmarkHit(b *testing.B) {
	for _, size := range []int{0, 100, 4 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, _ := live(64 << 20)
			var keys []string
			for i := range 50 {
				keys = append(keys, fmt.Sprintf("bench/%d", i))
				c.Fetch(keys[i]).Done(item(keys[i], 1, bytes.Repeat([]byte("v"), size)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := c.Get(keys[i%len(keys)]); !ok {
					b.Fatal("not there")
				}
			}
		})
	}
}
