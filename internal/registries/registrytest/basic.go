package registrytest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
)

func basicTests() []test {
	return []test{
		{"Register", (*suite).register},
		{"Versions", (*suite).versions},
		{"Again/Same", (*suite).again},
		{"Again/Node", (*suite).againNode},
		{"Again/Service", (*suite).againService},
		{"Metadata/Kept", (*suite).metadata},
		{"Metadata/Size", (*suite).large},
		{"Close", (*suite).closed},
	}
}

func (s *suite) register() {
	if got := s.addresses(s.reg, s.name); got != nil {
		s.Errorf("before: got %v", got)
	}
	svc := s.service(s.name, 2)
	s.put(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000", "127.0.0.1:8001")
	if d := cmp.Diff(s.get(s.reg, s.name), svc); d != "" {
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

// again renews.
func (s *suite) again() {
	svc := s.service(s.name, 1)
	for range 3 {
		s.put(s.reg, svc)
	}
	s.await(s.reg, s.name, "127.0.0.1:8000")
	s.drop(s.reg, svc)
	s.await(s.reg, s.name)
}

// againNode changes a node.
func (s *suite) againNode() {
	s.put(s.reg, s.service(s.name, 1))
	s.await(s.reg, s.name, "127.0.0.1:8000")
	svc := s.service(s.name, 1)
	svc.Nodes[0].Address, svc.Nodes[0].Metadata = "127.0.0.1:9000", map[string]string{"protocol": "mucp", "color": "blue"}
	s.put(s.reg, svc)
	s.becomes(svc)
	s.drop(s.reg, svc)
}

// againService changes what stands beside the nodes.
func (s *suite) againService() {
	s.put(s.reg, s.service(s.name, 1))
	s.await(s.reg, s.name, "127.0.0.1:8000")
	svc := s.service(s.name, 1)
	svc.Endpoints = svc.Endpoints[:1]
	s.put(s.reg, svc)
	s.becomes(svc)
	s.drop(s.reg, svc)
}

// becomes looks up until there is what was registered.
func (s *suite) becomes(want *registry.Service) {
	s.Helper()
	var d string
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(s.patient); time.Now().Before(end); <-ticker.C {
		if d = cmp.Diff(s.get(s.reg, want.Name), want); d == "" {
			return
		}
	}
	s.Errorf("not changed: %s", d)
}

// metadata and endpoints that no field of Consul would take, of each node its own.
func (s *suite) metadata() {
	svc := s.service(s.name, 2)
	md := svc.Nodes[0].Metadata
	md["a key.with/all sorts=of,things"], md["long"], md["unicode"], md["empty"] = "\"quoted\"", strings.Repeat("x", 2000), "grün", ""
	for i := range 100 {
		md["pair-"+strconv.Itoa(i)] = "value"
		svc.Endpoints = append(svc.Endpoints, endpoint("KV.Method"+strconv.Itoa(i)))
	}
	s.put(s.reg, svc)
	s.becomes(svc)
	s.drop(s.reg, svc)
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
		s.drop(s.reg, svc)
		s.Errorf("300 KiB: got %v, want the limit", err)
	}
	s.await(s.reg, s.name)
}

// closed: what the registry has begun can be ended. Run looks that nothing stays.
func (s *suite) closed() {
	if !closes(s.reg) {
		s.Error("it has no Close")
	}
}
