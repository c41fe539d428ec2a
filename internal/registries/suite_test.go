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

func TestNATS(t *testing.T) {
	h := suite(on(t, "nats"))
	h.OptOut = []registrytest.OptOut{
		{Test: "TTL/Told", Why: "who has ended says nothing", Shows: `waited for "delete`},
	}
	registrytest.Run(t, h)
}

// TestInMemory has go-micro's registry.
func TestInMemory(t *testing.T) {
	h := suite(memory)
	const alone = "it is that of one process"
	h.OptOut = []registrytest.OptOut{
		{Test: "Again/Node", Why: "it keeps what was first", Shows: "not changed"},
		{Test: "Again/Service", Why: "it keeps what was first", Shows: "not changed"},
		{Test: "Metadata/Size", Why: "it has no limit", Shows: "300 KiB: got <nil>"},
		{Test: "Close", Why: "it goes on with the process", Shows: "no Close"},
		{Test: "NoNodes", Why: "it takes what it is given", Shows: "registered"},
		{Test: "Names", Why: "it takes what it is given", Shows: "registered"},
		{Test: "Watch/Stop", Why: "a watcher ends with an error of its own", Shows: "want ErrWatcherStopped"},
		{Test: "TTL/Ended", Why: alone, Shows: "got [], want [127.0.0.1:8000]"},
		{Test: "TTL/Told", Why: alone, Shows: `waited for "put`},
		{Test: "Processes", Why: alone, Shows: "got [], want [127.0.0.1:8000 127.0.0.1:9000]"},
	}
	registrytest.Run(t, h)
}
