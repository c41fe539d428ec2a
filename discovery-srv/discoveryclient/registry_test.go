package discoveryclient_test

import (
	"strings"
	"testing"

	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/registries/registrytest"
	"github.com/micro/platform/tests/backends"
)

// run runs discovery-srv and returns where it is.
func run(t testing.TB, below string) (address string) {
	t.Helper()
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": below}, discoveryserver.Service())
	return p.Address("discovery-srv")
}

// suite holds the registry against what services and callers rely on.
func suite(t *testing.T, below string) {
	t.Helper()
	address := run(t, below)
	registrytest.Run(t, registrytest.Harness{
		Ignore: hosttest.Leftovers(connections()...),
		Open:   func(testing.TB) registry.Registry { return discoveryclient.NewRegistry(address) },
		OptOut: []registrytest.OptOut{
			{Test: "TTL/NotRenewed", Why: "it renews by itself", Shows: "got [127.0.0.1:8000], want []"},
		},
	})
}

// connections are those of the service's client of Consul.
func connections() (all []goleak.Option) {
	for _, f := range []string{"readLoop", "writeLoop", "roundTrip"} {
		all = append(all, goleak.IgnoreAnyFunction("net/http.(*persistConn)."+f))
	}
	return all
}

// TestRegisterLong: what no node would take is not kept for when there is one.
func TestRegisterLong(t *testing.T) {
	r := discoveryclient.NewRegistry("127.0.0.1:1")
	defer r.Close()
	err := r.Register(&registry.Service{Name: strings.Repeat("n", 201), Nodes: []*registry.Node{{Id: "a", Address: "127.0.0.1:2"}}})
	if err == nil || !strings.Contains(err.Error(), "201 bytes") {
		t.Errorf("got error %v", err)
	}
}

func TestRegistry(t *testing.T) { suite(t, "memory:") }

func TestRegistryOnEtcd(t *testing.T)   { suite(t, backends.URL(t, "etcd").String()) }
func TestRegistryOnConsul(t *testing.T) { suite(t, backends.URL(t, "consul").String()) }
func TestRegistryOnNATS(t *testing.T)   { suite(t, backends.URL(t, "nats").String()) }
