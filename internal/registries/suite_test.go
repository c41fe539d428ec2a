package registries_test

import (
	"log/slog"
	"testing"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/registries/registrytest"
	"github.com/micro/platform/tests/backends"
)

// on returns settings that name a registry on a real server.
func on(t *testing.T, backend string) map[string]string {
	t.Helper()
	return map[string]string{"PLATFORM_REGISTRY": backends.URL(t, backend).String()}
}

func opened(t testing.TB, env map[string]string) registry.Registry {
	t.Helper()
	c, err := read(env)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registries.Open(t.Context(), c, nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func suite(env map[string]string) registrytest.Harness {
	return registrytest.Harness{Open: func(t testing.TB) registry.Registry { return opened(t, env) }}
}

func TestEtcd(t *testing.T)   { registrytest.Run(t, suite(on(t, "etcd"))) }
func TestConsul(t *testing.T) { registrytest.Run(t, suite(on(t, "consul"))) }
func TestNATS(t *testing.T)   { registrytest.Run(t, suite(on(t, "nats"))) }

func TestInMemory(t *testing.T) {
	h := suite(memory)
	h.Alone = "it is that of one process"
	h.NoNames = "go-micro's takes what it is given"
	registrytest.Run(t, h)
}
