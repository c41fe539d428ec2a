package registrytest_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/etcd"

	"github.com/micro/platform/internal/registries/registrytest"
	"github.com/micro/platform/tests/backends"
)

// goMicrosEtcd is what go-micro's registry in etcd does otherwise.
// discovery-srv/README.md has the list, too.
var goMicrosEtcd = []registrytest.OptOut{
	{Test: "Again/Service", Why: "endpoints that change without their node stay as they were", Shows: "not changed"},
	{Test: "Metadata/Size", Why: "no limit but that of etcd (1.5 MiB)", Shows: "300 KiB: got <nil>"},
	{Test: "Close", Why: "it has none: its connection and goroutines stay", Shows: "no Close"},
	{Test: "Names", Why: "any name, ID and address is registered, also none", Shows: "registered"},
	{Test: "Lookup/None", Why: "finds the nodes of all services", Shows: `get "": got`},
	{Test: "Lookup/Dots", Why: "finds the nodes of all services", Shows: `get "..": got`},
	{Test: "Lookup/Alike", Why: "`a/b` and `a-b` are one service", Shows: "got [127.0.0.1:8000 127.0.0.1:9000], want [127.0.0.1:8000]"},
	{Test: "Watch/Stop", Why: "a watcher that was stopped ends with another error than `ErrWatcherStopped`", Shows: "could not get next, want ErrWatcherStopped"},
	{Test: "TTL/NotRenewed", Why: "renews by itself, as `NewRegistry` does", Shows: "got [127.0.0.1:8000], want []"},
	{Test: "TTL/Changed", Why: "a node whose metadata has changed is lost after a TTL; registering it again does not bring it back", Shows: "at last []"},
}

// TestGoMicrosList: the README has the list that is tested.
func TestGoMicrosList(t *testing.T) {
	readme, err := os.ReadFile("../../../discovery-srv/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## What go-micro's etcd registry does otherwise\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, got, _ := strings.Cut(section, "|---|---|\n")
	var want strings.Builder
	for _, o := range goMicrosEtcd {
		fmt.Fprintf(&want, "| `%s` | %s |\n", o.Test, o.Why)
	}
	if d := cmp.Diff(got, want.String()); d != "" {
		t.Errorf("the table of the README: %s", d)
	}
}

// TestGoMicrosEtcd holds go-micro's registry in etcd against what ours are held against.
func TestGoMicrosEtcd(t *testing.T) {
	at := backends.URL(t, "etcd").Host
	var open sync.Map // of registry.Registry, its *line
	registrytest.Run(t, registrytest.Harness{
		Open: func(t testing.TB) registry.Registry {
			l := lay(t, at)
			r := etcd.NewEtcdRegistry(registry.Addrs(l.Addr().String()))
			open.Store(r, l)
			return r
		},
		End: func(r registry.Registry) {
			l, _ := open.Load(r)
			l.(*line).cut()
		},
		OptOut: goMicrosEtcd,
	})
}

// line is the one way to a server. Cut, it is as if the process at its end had been killed:
// go-micro's registry has no Close.
type line struct {
	net.Listener

	mu    sync.Mutex
	conns []net.Conn // nil once it is cut
	works sync.WaitGroup
}

func lay(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: listener, conns: []net.Conn{}}
	l.works.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			l.join(in, out)
		}
	})
	t.Cleanup(l.cut)
	return l
}

func (l *line) join(in, out net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_, _ = in.Close(), out.Close()
		return
	}
	l.conns = append(l.conns, in, out)
	for _, ends := range [][2]net.Conn{{in, out}, {out, in}} {
		l.works.Go(func() {
			_, _ = io.Copy(ends[0], ends[1]) // until it is cut
			_, _ = in.Close(), out.Close()
		})
	}
}

func (l *line) cut() {
	_ = l.Close()
	l.mu.Lock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.works.Wait()
}
