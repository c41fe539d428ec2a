package main

import (
	"slices"
	"strings"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/kvserver"
)

// services returns every service of the platform, in the order of their ports.
func services() []host.Service {
	return []host.Service{
		discoveryserver.Service(),
		kvserver.Service(),
		console.Service(),
	}
}

// names returns what services are registered as.
func names(all []host.Service) []string {
	out := make([]string, 0, len(all))
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out
}

// shorts returns the names of services as users may write them.
func shorts(all []host.Service) []string {
	out := names(all)
	for i := range out {
		out[i] = short(out[i])
	}
	return out
}

// named finds a service by its name, with or without "-srv"; -1 if there is none.
func named(all []host.Service, name string) int {
	return slices.IndexFunc(all, func(s host.Service) bool { return s.Name == name || short(s.Name) == name })
}

// short is the name of a service as users may write it.
func short(name string) string { return strings.TrimSuffix(name, "-srv") }
