package registrytest

import (
	"errors"
	"strings"

	"go-micro.dev/v5/registry"
)

func nameTests() []test {
	var all []test
	for _, bad := range []struct {
		name string
		make func(*registry.Service)
	}{
		{"NoNodes", func(v *registry.Service) { v.Nodes = nil }},
		{"Names/None", func(v *registry.Service) { v.Name = "" }},
		{"Names/Dots", func(v *registry.Service) { v.Name = ".." }},
		{"Names/Path", func(v *registry.Service) { v.Name = "a/../b" }},
		{"Names/Control", func(v *registry.Service) { v.Name = "a\nb" }},
		{"Names/UTF8", func(v *registry.Service) { v.Name = "a\xffb" }},
		{"Names/Long", func(v *registry.Service) { v.Name = strings.Repeat("n", 256) }},
		{"Names/NoID", func(v *registry.Service) { v.Nodes[0].Id = "" }},
		{"Names/DotsAsID", func(v *registry.Service) { v.Nodes[0].Id = "." }},
		{"Names/NoAddress", func(v *registry.Service) { v.Nodes[0].Address = "" }},
	} {
		all = append(all, test{bad.name, func(s *suite) { s.refuses(bad.make) }})
	}
	for _, look := range []struct{ name, service string }{
		{"Lookup/Nobody", strings.Repeat("n", 255)},
		{"Lookup/None", ""},
		{"Lookup/Dots", ".."},
		{"Lookup/Control", "a\nb"},
		{"Lookup/Star", "*"},
		{"Lookup/Query", "a?b&c=d"},
		{"Lookup/Path", "../x"},
		{"Lookup/Escaped", "%2e%2e"},
		{"Lookup/Long", strings.Repeat("n", 4000)},
	} {
		all = append(all, test{look.name, func(s *suite) { s.finds(look.service) }})
	}
	return append(all, test{"Lookup/Alike", (*suite).alike})
}

// refuses to register what nobody could find, or call.
func (s *suite) refuses(bad func(*registry.Service)) {
	svc := s.service(s.name, 1)
	bad(svc)
	if err := s.reg.Register(svc, registry.RegisterTTL(ttl)); err == nil {
		_ = s.reg.Deregister(svc)
		s.Error("registered")
	}
}

// finds nothing by a name that nobody has, whatever there is, and then what there is.
func (s *suite) finds(name string) {
	svc, later := s.service(s.name, 1), s.service(s.name+"-later", 1)
	s.put(s.reg, svc)
	defer s.drop(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000")
	if got, err := s.reg.GetService(name); !errors.Is(err, registry.ErrNotFound) {
		s.Fatalf("get %.20q: got %d services, %v, want ErrNotFound", name, len(got), err)
	}
	s.put(s.reg, later)
	defer s.drop(s.reg, later)
	s.await(s.reg, later.Name, "127.0.0.1:8000")
}

// alike are names that are not the same.
func (s *suite) alike() {
	with, without := s.service(s.name+"/x", 1), s.service(s.name+"-x", 1)
	without.Nodes[0].Id, without.Nodes[0].Address = "other", "127.0.0.1:9000"
	longer := s.service(s.name+"-x-y", 1)
	all := []*registry.Service{with, without, longer}
	for _, svc := range all {
		s.put(s.reg, svc)
		defer s.drop(s.reg, svc) //nolint:revive // until the end of the test
	}
	s.await(s.reg, with.Name, "127.0.0.1:8000")
	s.await(s.reg, without.Name, "127.0.0.1:9000")
	s.drop(s.reg, with)
	s.await(s.reg, with.Name)
	s.await(s.reg, without.Name, "127.0.0.1:9000")
}
