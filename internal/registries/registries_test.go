package registries_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
)

// read returns what the settings say, and what is wrong with them.
func read(env map[string]string) (registries.Config, error) {
	v := setting.New(func(name string) string { return env[name] }, registries.Settings())
	return registries.Read(v), v.Err()
}

func open(t *testing.T, env map[string]string) registry.Registry {
	t.Helper()
	c, err := read(env)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registries.Open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The registry of one process, of one machine, and of many.
var (
	memory = map[string]string{"PLATFORM_REGISTRY": "memory:"}
	nearby = map[string]string{}
	anyone = map[string]string{"PLATFORM_REGISTRY": "mdns:", "PLATFORM_MDNS": "lan"}
)

func TestSchemes(t *testing.T) {
	for want, env := range map[string]map[string]string{"memory": memory, "mdns": nearby} {
		if got := open(t, env).String(); got != want {
			t.Errorf("%v: got %q, want %q", env, got, want)
		}
	}
	tests := map[string]struct {
		env  map[string]string
		want string
	}{
		"scheme":    {map[string]string{"PLATFORM_REGISTRY": "zookeeper://u:s3cret@a"}, `PLATFORM_REGISTRY: no registry for scheme "zookeeper" (have discovery, mdns, memory, etcd, consul, nats)`},
		"no scheme": {map[string]string{"PLATFORM_REGISTRY": "memory"}, "PLATFORM_REGISTRY: not a URL such as memory: or redis://host:6379/0"},
		"no URL":    {map[string]string{"PLATFORM_REGISTRY": "etcd://u:s3cret@a:b"}, "PLATFORM_REGISTRY: not a URL such as memory: or redis://host:6379/0"},
		"mdns":      {map[string]string{"PLATFORM_MDNS": "wan"}, `PLATFORM_MDNS: "wan" is neither loopback nor lan`},
		"both": {
			map[string]string{"PLATFORM_REGISTRY": "nats://a", "PLATFORM_MDNS": "wan"},
			"PLATFORM_REGISTRY: nats: \"a\" is no host:port, want nats://a:1234\nPLATFORM_MDNS: \"wan\" is neither loopback nor lan",
		},
	}
	for url, want := range map[string]string{
		"memory:?x=1":                  "memory: takes nothing behind it",
		"mdns://host":                  "mdns: takes nothing behind it",
		"etcd:":                        `etcd: "" is no host:port, want etcd://a:1234`,
		"etcd://a:1,:2":                `etcd: ":2" is no host:port, want etcd://a:1234`,
		"etcd://a:1/path":              "etcd: has nothing behind its hosts but parameters",
		"etcd://s3cret@a:1":            "etcd: want user:password@ before the hosts, or neither",
		"etcd://:s3cret@a:1":           "etcd: want user:password@ before the hosts, or neither",
		"etcd://u:s3cret@a:1?color=1":  `etcd: no parameter "color" (have ca, cert, key, tls)`,
		"etcd://a:1?tls=no":            "etcd: tls=no, want true",
		"etcd://a:1?cert=/none":        "etcd: cert and key go together",
		"etcd://a:1?ca=/none":          "etcd: ca: open /none: no such file or directory",
		"consul://a:1,b:1":             "consul: want one host, whose agent knows the others",
		"consul://s3cret@a:1":          "consul: want :token@ before the host, or nothing",
		"nats://s3cret@a:4222":         "nats: want user:password@ before the hosts, or neither",
		"nats://u:s3cret@a:4222?%zz=1": "nats: parameters are not of the form tls=true&ca=ca.pem",
	} {
		tests[url] = struct {
			env  map[string]string
			want string
		}{map[string]string{"PLATFORM_REGISTRY": url}, "PLATFORM_REGISTRY: " + want}
	}
	for _, url := range []string{"etcd://u:p@a:2379,b:2379?tls=true", "consul://:token@[::1]:8500", "nats://u:p@a:4222,b:4222"} {
		if _, err := read(map[string]string{"PLATFORM_REGISTRY": url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for name, tt := range tests {
		if _, err := read(tt.env); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got error %v, want %s", name, err, tt.want)
		}
	}
}

func TestMemory(t *testing.T) {
	one, other := open(t, memory), open(t, memory)
	register(t, one, "kv-srv", "10.1.2.3:80") // nobody else can put it there
	if got, err := one.GetService("kv-srv"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := other.GetService("kv-srv"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("another registry: got %v, %v, want ErrNotFound", got, err)
	}
}

// register puts nodes that are named by their addresses into r until the test ends.
func register(t *testing.T, r registry.Registry, name string, addresses ...string) {
	t.Helper()
	s := &registry.Service{Name: name, Version: "1"}
	for _, a := range addresses {
		s.Nodes = append(s.Nodes, &registry.Node{Id: name + "-" + a, Address: a, Metadata: map[string]string{"protocol": "mucp"}})
	}
	if err := r.Register(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Deregister(s); err != nil {
			t.Error(err)
		}
	})
}

// find asks r until it has these addresses, in any order: a datagram may get lost.
func find(t *testing.T, r registry.Registry, name string, want ...string) {
	t.Helper()
	var got []string
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		var all []*registry.Service
		if all, err = r.GetService(name); errors.Is(err, registry.ErrNotFound) {
			err = nil
		}
		got = nil
		for _, s := range all {
			for _, n := range s.Nodes {
				got = append(got, n.Address)
			}
		}
		slices.Sort(got)
		got = slices.Compact(got) // of two network interfaces
		if err == nil && slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("got %v, %v, want %v", got, err, want)
}

func TestMDNS(t *testing.T) {
	name := "test-" + uuid.NewString()
	far, near := open(t, anyone), open(t, nearby)
	register(t, far, name, "10.1.2.3:80", "127.0.0.1:81", "192.168.3.4:82")
	find(t, far, name, "10.1.2.3:80", "127.0.0.1:81", "192.168.3.4:82")
	find(t, near, name, "127.0.0.1:81")

	register(t, near, name, "127.0.0.1:83")
	find(t, near, name, "127.0.0.1:81", "127.0.0.1:83")
	find(t, open(t, nearby), name, "127.0.0.1:81", "127.0.0.1:83")
}

// TestMDNSStrangers: a service of other machines alone is none.
func TestMDNSStrangers(t *testing.T) {
	name := "test-" + uuid.NewString()
	far, near := open(t, anyone), open(t, nearby)
	register(t, far, name, "10.1.2.3:80")
	find(t, far, name, "10.1.2.3:80")
	if got, err := near.GetService(name); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v, %v, want ErrNotFound", got, err)
	}
}

func TestMDNSWatch(t *testing.T) {
	name := "test-" + uuid.NewString()
	far, near := open(t, anyone), open(t, nearby)
	all, some := watch(t, far, name), watch(t, near, name)
	// A watcher begins to listen some time after Watch; announcements come twice, a
	// second apart.
	register(t, far, name, "10.1.2.3:80")
	all.await("create 10.1.2.3:80")
	s := &registry.Service{Name: name, Version: "1", Nodes: []*registry.Node{{Id: name + "-local", Address: "127.0.0.1:81"}}}
	if err := near.Register(s); err != nil {
		t.Fatal(err)
	}
	some.await("create 127.0.0.1:81")
	if err := near.Deregister(s); err != nil {
		t.Fatal(err)
	}
	some.await("delete 127.0.0.1:81")
	for _, event := range some.seen {
		if !strings.Contains(event, " 127.0.0.1:") {
			t.Errorf("saw %s", event)
		}
	}
}

// watcher is what a registry reports, until the test ends.
type watcher struct {
	t      *testing.T
	events chan string
	seen   []string // that await has read
}

func watch(t *testing.T, r registry.Registry, name string) *watcher {
	t.Helper()
	w, err := r.Watch(registry.WatchService(name))
	if err != nil {
		t.Fatal(err)
	}
	events, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		for {
			result, err := w.Next()
			if err != nil {
				ended <- err
				return
			}
			for _, n := range result.Service.Nodes {
				events <- result.Action + " " + n.Address
			}
		}
	}()
	t.Cleanup(func() {
		w.Stop()
		if err := <-ended; !errors.Is(err, registry.ErrWatcherStopped) {
			t.Errorf("a watcher ended with %v", err)
		}
	})
	return &watcher{t: t, events: events}
}

// await reads until there is an event.
func (w *watcher) await(want string) {
	w.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case got := <-w.events:
			if w.seen = append(w.seen, got); got == want {
				return
			}
		case <-timeout:
			w.t.Fatalf("waited for %q, saw %q", want, w.seen)
		}
	}
}
