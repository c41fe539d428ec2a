package discovery_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/etcd"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
	"github.com/micro/platform/tests/backends"
)

// server is an etcd of the test's own, which it may stop and kill.
type server struct {
	*process

	address, data string
}

func openEtcd(t *testing.T) *server {
	t.Helper()
	backends.URL(t, "etcd") // where there is none, there may be no binary
	dir := t.TempDir()
	s := &server{address: free(t), data: filepath.Join(dir, "data")}
	clients, peers := "http://"+s.address, "http://"+free(t)
	s.process = &process{t: t, path: "etcd", log: filepath.Join(dir, "log"), env: os.Environ(), args: []string{
		"--data-dir", s.data, "--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default=" + peers,
	}}
	s.begin()
	return s
}

// empty kills the server, and starts it again with nothing.
func (s *server) empty() {
	s.t.Helper()
	s.kill()
	if err := os.RemoveAll(s.data); err != nil {
		s.t.Fatal(err)
	}
}

// below are the IDs that the registry below has of a service.
func (s *server) below(service string) map[string]bool {
	all := map[string]bool{}
	found, _ := etcd.NewEtcdRegistry(registry.Addrs(s.address)).GetService(service) // none is none
	for _, one := range found {
		for _, n := range one.Nodes {
			all[n.Id] = true
		}
	}
	return all
}

// TestBelowAway: the registry below hangs, is back, is killed, and is back without anything.
// Instances are registered, renewed, looked up, drained and deregistered all the time, and
// afterwards stand there as they do here.
func TestBelowAway(t *testing.T) {
	const (
		ttl = 4 * time.Second
		all = 50
	)
	store := openEtcd(t)
	n := open(t, "DISCOVERY_REGISTRY=etcd://"+store.address, "DISCOVERY_PRESERVE=0%")
	n.crowd("first-", all, ttl)
	eventually(t, "crowd", func() bool { return n.count("crowd") == all })
	eventually(t, "crowd below", func() bool { return len(store.below("crowd")) == all })

	for round, story := range []struct {
		name       string
		away, back func()
	}{
		{"hangs", store.stop, store.resume},
		{"is lost", store.empty, store.start},
	} {
		t.Run(story.name, func(t *testing.T) {
			story.away()
			begun := time.Now()
			note := func(what string) { t.Logf("%s: %v", what, time.Since(begun)); begun = time.Now() }
			prefix := story.name + "-"
			late := n.crowd(prefix, all, ttl)
			whole := all + all*(round+1)
			eventually(t, "crowd with those that came when it was away", func() bool { return n.count("crowd") == whole })
			note("register")
			eventually(t, "word of it", func() bool { return n.state().Away != "" })
			if got := n.read("/readyz"); !strings.Contains(got, "etcd at "+store.address) {
				t.Errorf("/readyz: got %s", got)
			}
			note("away")
			drained := prefix + "0"
			n.set(drained, discoverypb.Status_STATUS_DRAINING)
			note("drain")
			late.kill()
			eventually(t, "crowd without those that are lost", func() bool { return n.count("crowd") == whole-all })
			note("lost")
			late.start()
			eventually(t, "crowd with those that are back", func() bool { return n.count("crowd") == whole })
			note("again")
			n.set(drained, discoverypb.Status_STATUS_DRAINING)
			always(t, "crowd while it is away", 2*ttl, func() bool { return n.count("crowd") == whole })

			story.back()
			eventually(t, "word that it is back", func() bool { return n.state().Away == "" })
			eventually(t, "crowd below, and who is drained under another name", func() bool {
				return len(store.below("crowd")) == whole-1 && store.below("~crowd")["~"+drained]
			})
			note("back")
			n.set(drained, discoverypb.Status_STATUS_UNSPECIFIED)
			eventually(t, "what is drained no more below", func() bool { return len(store.below("crowd")) == whole })
		})
	}
}

// set says an operator's status of an instance of the crowd.
func (n *node) set(id string, s discoverypb.Status) {
	n.t.Helper()
	if _, err := n.rpc.SetStatus(n.t.Context(), &discoverypb.SetStatusRequest{Service: "crowd", InstanceId: id, Status: s, Reason: "an operator"}); err != nil {
		n.t.Errorf("%v of %s: %v", s, id, err)
	}
}
