// Package registrytest holds a registry against what services and callers rely on.
package registrytest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"
)

// patient is how long what should happen at once may take.
const patient = 30 * time.Second

// ttl is that of what is registered, but where it is to run out.
const ttl = 30 * time.Second

// Harness is the registry under test.
type Harness struct {
	// Open returns a registry; each call that of another process. The suite closes it, if
	// it is an io.Closer.
	Open func(testing.TB) registry.Registry

	// What the registry cannot do is left out; each says why. Alone: other processes do
	// not see what is registered. NoNames: it takes any name. NoTTL: what is not renewed
	// stays. NoMany: it is not made for many nodes. NoWatchAll: it watches no more than
	// one service.
	Alone, NoNames, NoTTL, NoMany, NoWatchAll string

	// Ignore is what a server in this process may begin meanwhile.
	Ignore []goleak.Option
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := []struct {
		name string
		not  string
		run  func(*suite)
	}{
		{"Register", "", (*suite).register},
		{"Versions", "", (*suite).versions},
		{"Again", "", (*suite).again},
		{"Full", h.NoMany, (*suite).full},
		{"Names", h.NoNames, (*suite).names},
		{"Slash", h.NoNames, (*suite).slash},
		{"Large", h.NoNames, (*suite).large},
		{"Watch", "", (*suite).watch},
		{"WatchAll", h.NoWatchAll, (*suite).watchAll},
		{"TTL", h.NoTTL, (*suite).expire},
		{"Processes", h.Alone, (*suite).processes},
		{"Many", h.NoMany, (*suite).many},
		{"Concurrency", "", (*suite).concurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.not != "" {
				t.Skip(tt.not)
			}
			leaks := goleak.IgnoreCurrent()
			s := &suite{T: t, h: h, name: "test-" + uuid.NewString()}
			s.reg = s.open()
			tt.run(s)
			for _, r := range slices.Backward(s.opened) {
				s.close(r)
			}
			if len(s.opened) == 0 || !closes(s.opened[0]) {
				return // it says nothing of its end
			}
			if err := goleak.Find(append(h.Ignore, leaks)...); err != nil {
				t.Error(err)
			}
		})
	}
}

func closes(r registry.Registry) bool { _, ok := r.(io.Closer); return ok }

// suite is one test.
type suite struct {
	*testing.T

	h      Harness
	reg    registry.Registry
	name   string // of a service that nobody else has
	opened []registry.Registry
}

func (s *suite) open() registry.Registry {
	s.Helper()
	r := s.h.Open(s.T)
	s.opened = append(s.opened, r)
	return r
}

// close ends a registry as the end of its process would: what it has registered is not
// taken back.
func (s *suite) close(r registry.Registry) {
	s.Helper()
	if c, ok := r.(io.Closer); ok {
		if err := c.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
	}
}

// service returns one with nodes 1 to n.
func (s *suite) service(name string, n int) *registry.Service {
	svc := &registry.Service{Name: name, Version: "1.2.3"}
	for _, method := range []string{"KV.Get", "KV.Put"} {
		svc.Endpoints = append(svc.Endpoints, endpoint(method))
	}
	for i := range n {
		svc.Nodes = append(svc.Nodes, &registry.Node{
			Id: fmt.Sprintf("%s-%03d", name, i), Address: "127.0.0.1:" + strconv.Itoa(8000+i),
			Metadata: map[string]string{"protocol": "mucp", "registry": "x"},
		})
	}
	return svc
}

func endpoint(name string) *registry.Endpoint {
	return &registry.Endpoint{
		Name: name, Metadata: map[string]string{"stream": "true"},
		Request:  &registry.Value{Name: "Request", Type: "Request", Values: []*registry.Value{{Name: "key", Type: "string"}}},
		Response: &registry.Value{Name: "Response", Type: "Response"},
	}
}

// put registers until the end of the test.
func (s *suite) put(r registry.Registry, svc *registry.Service) {
	s.Helper()
	if err := r.Register(svc, registry.RegisterTTL(ttl)); err != nil {
		s.Fatalf("register: %v", err)
	}
}

func (s *suite) drop(r registry.Registry, svc *registry.Service) {
	s.Helper()
	if err := r.Deregister(svc); err != nil {
		s.Errorf("deregister: %v", err)
	}
}

// addresses returns what a lookup has found, in order; nothing for ErrNotFound.
func (s *suite) addresses(r registry.Registry, name string) []string {
	s.Helper()
	all, err := r.GetService(name)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		s.Fatalf("get %s: %v", name, err)
	}
	if err == nil && len(all) == 0 {
		s.Errorf("get %s: nothing, want ErrNotFound", name)
	}
	var out []string
	for _, svc := range all {
		for _, n := range svc.Nodes {
			out = append(out, n.Address)
		}
	}
	slices.Sort(out)
	return out
}

// await looks up until it finds the addresses: over datagrams an answer may get lost.
func (s *suite) await(r registry.Registry, name string, want ...string) {
	s.Helper()
	var got []string
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patient); time.Now().Before(end); <-ticker.C {
		if got = s.addresses(r, name); slices.Equal(got, want) {
			return
		}
	}
	s.Fatalf("%s: got %v, want %v", name, got, want)
}

func (s *suite) register() {
	if got := s.addresses(s.reg, s.name); got != nil {
		s.Errorf("before: got %v", got)
	}
	svc := s.service(s.name, 2)
	s.put(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000", "127.0.0.1:8001")
	got, err := s.reg.GetService(s.name)
	if err != nil || len(got) != 1 {
		s.Fatalf("got %v, %v, want one version", got, err)
	}
	got[0].Metadata = nil // the registries differ
	slices.SortFunc(got[0].Nodes, func(a, b *registry.Node) int { return strings.Compare(a.Id, b.Id) })
	if d := cmp.Diff(got[0], svc); d != "" {
		s.Error(d)
	}
	listed, err := s.reg.ListServices()
	if err != nil || !slices.ContainsFunc(listed, func(l *registry.Service) bool { return l.Name == s.name }) {
		s.Errorf("list: got %v, %v", listed, err)
	}
	one := *svc
	one.Nodes = svc.Nodes[:1]
	s.drop(s.reg, &one)
	s.await(s.reg, s.name, "127.0.0.1:8001")
	s.drop(s.reg, &one) // again
	s.drop(s.reg, svc)
	s.await(s.reg, s.name)
}

func (s *suite) versions() {
	old, now := s.service(s.name, 1), s.service(s.name, 1)
	now.Version, now.Nodes[0].Id, now.Nodes[0].Address = "2.0.0", now.Nodes[0].Id+"-new", "127.0.0.1:9000"
	s.put(s.reg, old)
	s.put(s.reg, now)
	s.await(s.reg, s.name, "127.0.0.1:8000", "127.0.0.1:9000")
	all, err := s.reg.GetService(s.name)
	if err != nil || len(all) != 2 || all[0].Version == all[1].Version {
		s.Errorf("got %v, %v, want two versions", all, err)
	}
	s.drop(s.reg, old)
	s.await(s.reg, s.name, "127.0.0.1:9000")
	s.drop(s.reg, now)
}

// again renews, and changes what is registered.
func (s *suite) again() {
	svc := s.service(s.name, 1)
	for range 3 {
		s.put(s.reg, svc)
	}
	s.await(s.reg, s.name, "127.0.0.1:8000")
	if s.h.NoTTL != "" && s.h.Alone == "" {
		s.drop(s.reg, svc)
		return // go-micro's over mDNS announces no change
	}
	svc = s.service(s.name, 1)
	svc.Nodes[0].Metadata["color"] = "blue"
	svc.Endpoints = svc.Endpoints[:1]
	s.put(s.reg, svc)
	got, err := s.reg.GetService(s.name)
	if s.h.Alone != "" {
		s.drop(s.reg, svc)
		return // go-micro's in memory keeps what was first
	}
	if err != nil || len(got) != 1 || got[0].Nodes[0].Metadata["color"] != "blue" || len(got[0].Endpoints) != 1 {
		s.Errorf("got %v, %v, want the change", got, err)
	}
	s.drop(s.reg, svc)
}

// full has metadata and endpoints that no field of Consul would take.
func (s *suite) full() {
	svc := s.service(s.name, 1)
	md := svc.Nodes[0].Metadata
	md["a key.with/all sorts=of,things"], md["long"], md["unicode"] = "\"quoted\"", strings.Repeat("x", 2000), "grün"
	for i := range 100 {
		md["pair-"+strconv.Itoa(i)] = "value"
		svc.Endpoints = append(svc.Endpoints, endpoint("KV.Method"+strconv.Itoa(i)))
	}
	s.put(s.reg, svc)
	got, err := s.reg.GetService(s.name)
	if err != nil || len(got) != 1 {
		s.Fatalf("got %v, %v, want one", got, err)
	}
	got[0].Metadata = nil // the registries differ
	if d := cmp.Diff(got[0], svc); d != "" {
		s.Error(d)
	}
	s.drop(s.reg, svc)
}

func (s *suite) names() {
	for what, bad := range map[string]func(*registry.Service){
		"no name":    func(v *registry.Service) { v.Name = "" },
		"dots":       func(v *registry.Service) { v.Name = ".." },
		"path":       func(v *registry.Service) { v.Name = "a/../b" },
		"control":    func(v *registry.Service) { v.Name = "a\nb" },
		"no UTF-8":   func(v *registry.Service) { v.Name = "a\xffb" },
		"long name":  func(v *registry.Service) { v.Name = strings.Repeat("n", 256) },
		"no nodes":   func(v *registry.Service) { v.Nodes = nil },
		"no ID":      func(v *registry.Service) { v.Nodes[0].Id = "" },
		"dots as ID": func(v *registry.Service) { v.Nodes[0].Id = "." },
		"no address": func(v *registry.Service) { v.Nodes[0].Address = "" },
	} {
		svc := s.service(s.name, 1)
		bad(svc)
		if err := s.reg.Register(svc, registry.RegisterTTL(ttl)); err == nil {
			s.Errorf("%s: registered", what)
		}
	}
	for _, name := range []string{"", "..", "a\nb", "*", "a?b&c=d", "../x", s.name + "/../" + s.name, "%2e%2e", strings.Repeat("n", 4000)} {
		if got, err := s.reg.GetService(name); !errors.Is(err, registry.ErrNotFound) {
			s.Errorf("get %.20q: got %v, %v, want ErrNotFound", name, got, err)
		}
	}
}

// slash: names that look alike are not the same.
func (s *suite) slash() {
	with, without := s.service(s.name+"/x", 1), s.service(s.name+"-x", 1)
	without.Nodes[0].Id, without.Nodes[0].Address = "other", "127.0.0.1:9000"
	longer := s.service(s.name+"-x-y", 1)
	for _, svc := range []*registry.Service{with, without, longer} {
		s.put(s.reg, svc)
	}
	s.await(s.reg, with.Name, "127.0.0.1:8000")
	s.await(s.reg, without.Name, "127.0.0.1:9000")
	for _, svc := range []*registry.Service{with, without, longer} {
		s.drop(s.reg, svc)
	}
	s.await(s.reg, with.Name)
}

// large is refused, with the limit.
func (s *suite) large() {
	svc := s.service(s.name, 1)
	svc.Nodes[0].Metadata["big"] = strings.Repeat("x", 200<<10)
	s.put(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000")
	s.drop(s.reg, svc)
	svc.Nodes[0].Metadata["big"] = strings.Repeat("x", 300<<10)
	if err := s.reg.Register(svc, registry.RegisterTTL(ttl)); err == nil || !strings.Contains(err.Error(), "262144") {
		s.Errorf("300 KiB: got %v, want the limit", err)
	}
	s.await(s.reg, s.name)
}

// expire registers without renewing it.
func (s *suite) expire() {
	other := s.reg
	if s.h.Alone == "" {
		other = s.open()
	}
	svc, kept := s.service(s.name, 1), s.service(s.name+"-kept", 1)
	if err := s.reg.Register(svc, registry.RegisterTTL(2*time.Second)); err != nil {
		s.Fatal(err)
	}
	s.await(other, s.name, "127.0.0.1:8000")
	begun := time.Now()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	if s.h.Alone == "" {
		s.close(s.reg) // the process has ended
	}
	for len(s.addresses(other, s.name)) > 0 {
		if err := other.Register(kept, registry.RegisterTTL(2*time.Second)); err != nil { // which is renewed
			s.Fatal(err)
		}
		if <-ticker.C; time.Since(begun) > patient {
			s.Fatalf("it is still there after %v", patient)
		}
	}
	s.Logf("gone after %v", time.Since(begun).Round(100*time.Millisecond))
	s.await(other, kept.Name, "127.0.0.1:8000")
	s.drop(other, kept)
}

// processes see each other.
func (s *suite) processes() {
	one, two := s.open(), s.open()
	a, b := s.service(s.name, 1), s.service(s.name, 1)
	b.Nodes[0].Id, b.Nodes[0].Address = b.Nodes[0].Id+"-b", "127.0.0.1:9000"
	s.put(one, a)
	s.put(two, b)
	for _, r := range []registry.Registry{s.reg, one, two} {
		s.await(r, s.name, "127.0.0.1:8000", "127.0.0.1:9000")
	}
	s.drop(one, a)
	for _, r := range []registry.Registry{s.reg, one, two} {
		s.await(r, s.name, "127.0.0.1:9000")
	}
	s.drop(two, b)
}

func (s *suite) many() {
	const n = 200
	svc := s.service(s.name, n)
	begun := time.Now()
	var group sync.WaitGroup
	for nodes := range slices.Chunk(svc.Nodes, n/8) {
		part := *svc
		part.Nodes = nodes
		group.Go(func() {
			if err := s.reg.Register(&part, registry.RegisterTTL(ttl)); err != nil {
				s.Errorf("register: %v", err)
			}
		})
	}
	group.Wait()
	if got := s.addresses(s.reg, s.name); len(got) != n {
		s.Errorf("got %d nodes, want %d", len(got), n)
	}
	s.Logf("%d nodes in %v", n, time.Since(begun).Round(time.Millisecond))
	s.drop(s.reg, svc)
	s.await(s.reg, s.name)
}

func (s *suite) concurrency() {
	const callers = 16
	w := s.watcher(s.reg, "")
	if s.h.NoWatchAll == "" {
		defer w.stop()
	} else {
		w.stop()
	}
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			svc := s.service(fmt.Sprint(s.name, "-", i), 2)
			for range 3 {
				if err := s.reg.Register(svc, registry.RegisterTTL(ttl)); err != nil {
					s.Errorf("register: %v", err)
				}
				if _, err := s.reg.GetService(svc.Name); err != nil && !errors.Is(err, registry.ErrNotFound) {
					s.Errorf("get: %v", err)
				}
				if _, err := s.reg.ListServices(); err != nil {
					s.Errorf("list: %v", err)
				}
			}
			if err := s.reg.Deregister(svc); err != nil {
				s.Errorf("deregister: %v", err)
			}
		})
	}
	group.Wait()
	for i := range callers {
		s.await(s.reg, fmt.Sprint(s.name, "-", i))
	}
}
