package registrytest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
)

func manyTests() []test {
	return []test{
		{"Processes", (*suite).processes},
		{"Many", (*suite).many},
		{"Concurrency", (*suite).concurrency},
	}
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

// many nodes of a service, half of which leave.
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
	if d := cmp.Diff(s.get(s.reg, s.name), svc); d != "" {
		s.Error(d)
	}
	s.Logf("%d nodes in %v", n, time.Since(begun).Round(time.Millisecond))
	left, stay := *svc, *svc
	left.Nodes, stay.Nodes = svc.Nodes[:n/2], svc.Nodes[n/2:]
	s.drop(s.reg, &left)
	s.becomes(&stay)
	s.drop(s.reg, &stay)
	s.await(s.reg, s.name)
}

func (s *suite) concurrency() {
	const callers = 16
	w := s.watcher(s.reg, "")
	defer func() { _ = w.stop() }()
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
