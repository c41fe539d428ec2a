package abuse_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// TestLargeMessage sends twice what a message may have (PLATFORM_MAX_MESSAGE), and a
// little more than that.
func TestLargeMessage(t *testing.T) {
	address := startKV(t, nil)
	twice := make([]byte, 8<<20)
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			for _, m := range slices.Sorted(maps.Keys(methods)) {
				body := twice[:4<<20+1]
				if m == "Put" || m == "Watch" {
					body = twice
				}
				a := d.call(t, request{address: address, method: "KV." + m, stream: m == "Watch", body: body})
				a.expect(t, m, codes.ResourceExhausted)
			}
		})
	}
}

// TestBomb sends what is small until it is decompressed.
func TestBomb(t *testing.T) {
	address := startKV(t, nil)
	body := bytes.Repeat(bomb(t, 16<<20), 240) // gzip takes them for one
	if len(body) > 4<<20 {
		t.Fatalf("the bomb has %d bytes: it would be refused unopened", len(body))
	}
	for _, d := range doors() {
		if strings.HasPrefix(d.name, "mucp") {
			continue // has no compression
		}
		t.Run(d.name, func(t *testing.T) {
			for _, m := range []string{"Put", "Watch"} {
				before := allocated()
				header := http.Header{"Grpc-Encoding": {"gzip"}, "Content-Encoding": {"gzip"}}
				if m == "Watch" && strings.HasPrefix(d.name, "connect") {
					header = http.Header{"Connect-Content-Encoding": {"gzip"}}
				}
				a := d.call(t, request{address: address, method: "KV." + m, stream: m == "Watch", body: body, header: header})
				a.expect(t, m, codes.ResourceExhausted)
				if got := allocated() - before; got > 64<<20 {
					t.Errorf("%s: took %d MiB of memory to refuse a message over 4 MiB", m, got>>20)
				}
			}
		})
	}
}

// bomb returns size zeros, compressed a thousandfold.
func bomb(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros is a reader without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// allocated is all memory that this process, callers and services, has ever taken.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
