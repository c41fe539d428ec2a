package abuse_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// TestIdleConnections opens thousands of connections that never finish their first
// words, each kind of them as far as it gets. Others are served meanwhile, the idle ones
// are dropped, and nothing of them is left.
func TestIdleConnections(t *testing.T) {
	address := startKV(t, map[string]string{"PLATFORM_TIMEOUT": "9s"}) // the patience is a third
	serves(t, address)                                                 // what the first call makes is made
	before := usage()
	words := []string{"", "P", "POST / HTTP/1.1\r\nHost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}
	conns := dialMany(t, address, many(t), words)
	serves(t, address)
	most := usage()
	if got := most.goroutines - before.goroutines; got > 4*len(conns) {
		t.Errorf("%d connections take %d goroutines", len(conns), got)
	}
	if got := most.heap - before.heap; got > int64(len(conns))*100<<10 {
		t.Errorf("%d connections take %d KiB of memory", len(conns), got>>10)
	}
	for i, c := range conns {
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d (%q) is still open", i, words[i%len(words)])
		}
		_ = c.Close() // closed by the service already
	}
	serves(t, address)
	await(t, "what the connections took to be given back", func() string {
		runtime.GC()
		if now := usage(); now.goroutines > before.goroutines+50 || now.heap > before.heap+8<<20 {
			return fmt.Sprintf("had %v, has %v", before, now)
		}
		return ""
	})
}

// many is how many connections this process may have, both ends of each, up to 5000.
func many(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(5000, (int(limit.Cur)-500)/2)
	if n < 500 {
		t.Skipf("%d descriptors are too few", limit.Cur)
	}
	return n
}

// dialMany opens n connections and says one of the words on each.
func dialMany(t *testing.T, address string, n int, words []string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	var dialers sync.WaitGroup
	for d := range 8 {
		dialers.Go(func() {
			for i := d; i < n; i += 8 {
				c, err := net.DialTimeout("tcp", address, 30*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c
				_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // fails as the next line will
				if _, err := io.WriteString(c, words[i%len(words)]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	dialers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

type used struct {
	goroutines int
	heap       int64
}

func usage() used {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used{runtime.NumGoroutine(), int64(m.HeapAlloc)}
}

// serves makes a call through each door.
func serves(t *testing.T, address string) {
	t.Helper()
	for _, d := range doors() {
		a := d.call(t, request{address: address, method: "KV.List", body: map[bool][]byte{true: []byte("{}")}[d.json]})
		a.expect(t, d.name, codes.OK)
	}
}

// TestTooManyConnections opens more than PLATFORM_MAX_CONNS.
func TestTooManyConnections(t *testing.T) {
	const most, more = 10, 20
	address := startKV(t, map[string]string{"PLATFORM_MAX_CONNS": fmt.Sprint(most)})
	watcher := dial(t, address) // looks at the metrics when there is no room for it
	from := bufio.NewReader(watcher)
	refused := func() string {
		send(t, watcher, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		_, body := receive(t, from)
		for line := range strings.Lines(body) {
			if number, ok := strings.CutPrefix(line, "server_connections_refused_total "); ok {
				return strings.TrimSpace(number)
			}
		}
		return "no"
	}
	if got := refused(); got != "0" {
		t.Errorf("at first %s connections were refused", got)
	}
	var kept []net.Conn
	for range most - 1 {
		kept = append(kept, dial(t, address))
	}
	for range more {
		c := dial(t, address)
		if said := dropped(t, c, soon); said != "" {
			t.Errorf("one too many got %q", said)
		}
	}
	if got := refused(); got != fmt.Sprint(more) {
		t.Errorf("%s connections were refused, want %d", got, more)
	}
	send(t, kept[0], muCP("KV.List", "{}")) // the others are none the worse
	if rsp, _ := receive(t, bufio.NewReader(kept[0])); rsp.Header.Get("Micro-Error") != "" {
		t.Errorf("got %s", rsp.Header.Get("Micro-Error"))
	}
	for _, c := range kept {
		_ = c.Close()
	}
	await(t, "room for others", func() string {
		c := dial(t, address)
		defer c.Close()
		if _, err := io.WriteString(c, muCP("KV.List", "{}")); err != nil {
			return err.Error()
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return err.Error()
		}
		return ""
	})
}
