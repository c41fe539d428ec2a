package discoveryclient

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/micro"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Metadata of go-micro's nodes that discovery has fields for.
const (
	zoneKey   = "zone"
	weightKey = "weight"
)

// services are the instances of a service that are to be called, as go-micro has them.
func services(name string, all map[string]*discoverypb.Instance) []*registry.Service {
	chosen := having(all, discoverypb.Status_STATUS_UP)
	if len(chosen) == 0 {
		chosen = having(all, discoverypb.Status_STATUS_DRAINING)
	}
	var out []*registry.Service
	for _, i := range chosen {
		if len(out) == 0 || out[len(out)-1].Version != i.GetVersion() {
			out = append(out, &registry.Service{
				Name: name, Version: i.GetVersion(), Metadata: i.GetServiceMetadata(), Endpoints: micro.EndpointsTo(i.GetEndpoints()),
			})
		}
		s := out[len(out)-1]
		s.Nodes = append(s.Nodes, &registry.Node{Id: i.GetId(), Address: i.GetAddress(), Metadata: i.GetMetadata()})
	}
	return out
}

// having are the instances of a status, by version and ID.
func having(all map[string]*discoverypb.Instance, s discoverypb.Status) []*discoverypb.Instance {
	var some []*discoverypb.Instance
	for _, i := range all {
		if i.GetStatus() == s {
			some = append(some, i)
		}
	}
	slices.SortFunc(some, func(a, b *discoverypb.Instance) int {
		return cmp.Or(cmp.Compare(a.GetVersion(), b.GetVersion()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return some
}

// instance is a node of a service, as discovery has it.
func instance(s *registry.Service, n *registry.Node) *discoverypb.Instance {
	weight, _ := strconv.ParseUint(n.Metadata[weightKey], 10, 32) // 0: as all others
	return &discoverypb.Instance{
		Id: n.Id, Address: n.Address, Version: s.Version, Zone: n.Metadata[zoneKey], Weight: uint32(weight),
		Metadata: maps.Clone(n.Metadata), ServiceMetadata: maps.Clone(s.Metadata), Endpoints: micro.EndpointsFrom(s.Endpoints),
	}
}
