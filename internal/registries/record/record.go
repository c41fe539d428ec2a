// Package record says what may stand in a registry, and puts together what stands there
// for each node.
package record

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go-micro.dev/v5/registry"
)

// An Error is why no registry takes a service, however often it is tried.
type Error struct{ Why string }

func (e *Error) Error() string { return "register: " + e.Why }

const (
	maxName = 255       // bytes
	maxSize = 256 << 10 // bytes of a service in JSON, which each registry takes
)

// Check returns an *Error for a service that cannot be registered.
func Check(s *registry.Service) error {
	if s == nil || len(s.Nodes) == 0 {
		return &Error{"a service needs at least one node"}
	}
	if err := Name("name", s.Name); err != nil {
		return err
	}
	for _, n := range s.Nodes {
		if err := Name("node's ID", n.Id); err != nil {
			return err
		}
		if n.Address == "" {
			return &Error{fmt.Sprintf("node %s has no address", n.Id)}
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return &Error{err.Error()}
	}
	if len(b) > maxSize {
		return &Error{fmt.Sprintf("%s has %d bytes in JSON, want %d at most", s.Name, len(b), maxSize)}
	}
	return nil
}

// Name returns an *Error for what cannot be part of a path in each of the registries.
func Name(what, s string) error {
	if s == "" || len(s) > maxName {
		return &Error{fmt.Sprintf("the %s has %d bytes, want 1 to %d", what, len(s), maxName)}
	}
	bad := !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
	for word := range strings.SplitSeq(s, "/") {
		bad = bad || word == "" || word == "." || word == ".."
	}
	if bad {
		return &Error{fmt.Sprintf("the %s %q is no name", what, s)}
	}
	return nil
}

// Err returns the first *Error in err, or nil.
func Err(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return nil
}

// Of returns s with one of its nodes alone.
func Of(s *registry.Service, n *registry.Node) *registry.Service {
	one := *s
	one.Nodes = []*registry.Node{n}
	return &one
}

// Merge puts services of one name and version together, in order. What all of them share
// is that of the first. A node that is there twice counts once. It changes none of them.
func Merge(all []*registry.Service) []*registry.Service {
	type key struct{ name, version string }
	merged := map[key]*registry.Service{}
	for _, s := range all {
		k := key{s.Name, s.Version}
		m := merged[k]
		if m == nil {
			c := *s
			c.Nodes = nil
			m = &c
			merged[k] = m
		}
		m.Nodes = append(m.Nodes, s.Nodes...)
	}
	for _, s := range merged {
		slices.SortStableFunc(s.Nodes, func(a, b *registry.Node) int { return cmp.Compare(a.Id, b.Id) })
		s.Nodes = slices.CompactFunc(s.Nodes, func(a, b *registry.Node) bool { return a.Id == b.Id })
	}
	return slices.SortedFunc(maps.Values(merged), func(a, b *registry.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
}
