package page_test

import (
	"net/url"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/client"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// at is an address of a page about a service, or about an instance of it.
func at(view, service string, more ...string) string {
	q := url.Values{"service": {service}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return view + "?" + q.Encode()
}

// one is the address of an instance.
func one(service, id string) string { return at("instance", service, "instance", id) }

// register registers an instance at some address, and returns its lease.
func (s *site) register(t *testing.T, service string, i *discoverypb.Instance) string {
	t.Helper()
	return s.registerIn(t, "", service, i)
}

func (s *site) registerIn(t *testing.T, namespace, service string, i *discoverypb.Instance) string {
	t.Helper()
	if i.GetAddress() == "" {
		i.Address = "10.0.0.1:8080"
	}
	rsp, err := s.registry.Register(t.Context(), &discoverypb.RegisterRequest{Namespace: namespace, Service: service, Instance: i})
	if err != nil {
		t.Fatalf("register %q of %q: %v", i.GetId(), service, err)
	}
	return rsp.GetLeaseId()
}

// instance is nil for one that is not there.
func (s *site) instance(t *testing.T, service, id string) *discoverypb.Instance {
	t.Helper()
	rsp, err := s.registry.GetService(t.Context(), &discoverypb.GetServiceRequest{Service: service})
	if err != nil && client.Error(err).Code != codes.NotFound {
		t.Fatal(err)
	}
	for _, i := range rsp.GetInstances() {
		if i.GetId() == id {
			return i
		}
	}
	return nil
}
