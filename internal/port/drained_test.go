package port_test

import (
	"context"
	"slices"
	"testing"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/port"
)

// told is a registry that can tell callers who is draining.
type told struct {
	registry.Registry

	drained []string
}

func (r *told) Drain(_ context.Context, service string) error {
	r.drained = append(r.drained, service)
	return nil
}

// TestDrainedWhereRegistered: the registry, and the name, that micro.NewService was given later
// are told that the service stops.
func TestDrainedWhereRegistered(t *testing.T) {
	s, r := port.New(context.WithoutCancel(t.Context()), config()), &told{Registry: registry.NewMemoryRegistry()}
	if err := s.Init(server.Registry(r), server.Name("later")); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.drained, []string{"later"}) {
		t.Errorf("drained %q, want later", r.drained)
	}
}
