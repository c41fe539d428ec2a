package registrytest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go-micro.dev/v5/registry"
)

// ttl is that of what is registered, but where it is to run out.
const ttl = 30 * time.Second

// service returns one with nodes 0 to n-1.
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
	s.putFor(r, svc, ttl)
}

func (s *suite) putFor(r registry.Registry, svc *registry.Service, ttl time.Duration) {
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

// get returns the one version that there is, its nodes in order.
func (s *suite) get(r registry.Registry, name string) *registry.Service {
	s.Helper()
	got, err := r.GetService(name)
	if err != nil || len(got) != 1 {
		s.Fatalf("got %v, %v, want one version", got, err)
	}
	one := *got[0]
	one.Metadata = nil // the registries differ
	one.Nodes = slices.SortedFunc(slices.Values(one.Nodes), func(a, b *registry.Node) int { return strings.Compare(a.Id, b.Id) })
	return &one
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

// await looks up until it finds the addresses.
func (s *suite) await(r registry.Registry, name string, want ...string) {
	s.Helper()
	var got []string
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(s.patient); time.Now().Before(end); <-ticker.C {
		if got = s.addresses(r, name); slices.Equal(got, want) {
			return
		}
	}
	s.Fatalf("%s: got %v, want %v", name, got, want)
}
