package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/micro/platform/internal/host"
)

// overDiscovery is the environment of services that run together: discovery-srv, if it is one
// of them, is where they find each other, unless PLATFORM_REGISTRY says otherwise or it
// listens where nobody can know.
func overDiscovery(getenv func(string) string, services []host.Service) func(string) string {
	const registry = "PLATFORM_REGISTRY"
	i := slices.IndexFunc(services, func(s host.Service) bool { return s.Name == "discovery-srv" })
	if i < 0 || getenv(registry) != "" || getenv(registry+"_FILE") != "" || getenv("DISCOVERY_ADDRESS_FILE") != "" {
		return getenv
	}
	address := getenv("DISCOVERY_ADDRESS")
	if address == "" {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(services[i].Port))
	}
	name, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return getenv
	}
	if ip, err := netip.ParseAddr(name); name == "" || err == nil && ip.IsUnspecified() {
		name = "127.0.0.1"
	}
	return func(variable string) string {
		if variable == registry {
			return "discovery://" + net.JoinHostPort(name, port)
		}
		return getenv(variable)
	}
}
