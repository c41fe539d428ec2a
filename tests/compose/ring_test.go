package compose_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/client"

	"github.com/micro/platform/kv-srv/kvclient"
)

// testRing: three containers are one store, which outlives any of them.
func testRing(s *site) {
	if code, said := s.refused("-e", "PLATFORM_INSECURE=true", "-e", "KV_PEERS=kv-ring:7946", image); code != 2 || !strings.Contains(said, "KV_RING_KEY: needed where KV_RING_ADDRESS is not on loopback") {
		s.t.Errorf("no key: got exit code %d, %s", code, said)
	}
	s.run("sh", "-c", `echo "KV_RING_KEY=$(openssl rand -base64 32)" >>.env`)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log(s.run("docker-compose", "--profile", "ring", "logs", "--tail", "30", "kv-ring"))
		}
		s.run("make", "down")
		s.noneLeft()
	})
	s.run("docker-compose", "--profile", "ring", "up", "-d")
	nodes := s.lines("docker-compose", "--profile", "ring", "ps", "-q", "kv-ring")
	if len(nodes) != 3 {
		s.t.Fatalf("got nodes %v, want 3", nodes)
	}
	s.ring(nodes)

	written := s.write(nodes[0], "before")
	s.holds(nodes[1], written)
	s.run("docker", "kill", nodes[0])
	begin := time.Now()
	for _, n := range nodes[1:] {
		s.holds(n, written)
	}
	command := s.image("platform")
	for range 6 { // of callers who know no address
		if got := s.finding(command, "ring", "kv", "get", written[0], "--namespace", "ring"); got != written[0] {
			s.t.Errorf("through discovery got %q", got)
		}
	}
	s.t.Logf("a node is killed: %d items were read through each of the others after %s", len(written), time.Since(begin).Round(time.Millisecond))
	s.ring(nodes[1:])
	written = append(written, s.write(nodes[1], "between")...)

	s.run("docker", "start", nodes[0])
	s.ring(nodes)
	for _, n := range nodes {
		s.holds(n, written)
	}
	if got := s.platform(command, "kv", "ring", "--address", "kv-ring:8106"); !strings.Contains(got, "Settled: nothing moves.") {
		s.t.Errorf("in the network, by name, got\n%s", got)
	}
}

// ring waits until containers are healthy, and a ring of those alone in which nothing moves.
func (s *site) ring(containers []string) {
	s.t.Helper()
	var want []string
	for _, c := range containers {
		s.healthy(c)
		want = append(want, s.inspect(c, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}:8106"))
	}
	slices.Sort(want)
	for _, c := range containers {
		s.await(func() error {
			got, err := s.node(c).Ring(s.t.Context())
			if err != nil {
				return err
			}
			var names []string
			for _, n := range got.Nodes {
				names = append(names, n.Name)
				if n.State != kvclient.NodeServing || n.Moving != 0 || n.Waiting != "" || n.Silent {
					return fmt.Errorf("not settled: %+v", n)
				}
			}
			if d := cmp.Diff(want, names); d != "" {
				return errors.New("a ring of others (-want +got):\n" + d)
			}
			return nil
		})
	}
}

// node is a client of a container alone, which has another port after each start.
func (s *site) node(container string) *kvclient.Client {
	s.t.Helper()
	at := strings.TrimSpace(s.run("docker", "port", container, "8106"))
	return kvclient.New(client.NewClient(), kvclient.WithAddress(at), kvclient.WithNamespace("ring"))
}

// write puts items through a container, and returns their keys, which are their values.
func (s *site) write(container, prefix string) []string {
	s.t.Helper()
	const items = 300
	kv := s.node(container)
	keys := make([]string, items)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s/%d", prefix, i)
		if _, err := kv.Put(s.t.Context(), keys[i], []byte(keys[i])); err != nil {
			s.t.Fatal(err)
		}
	}
	return keys
}

// holds waits until a container answers for each of some keys. An item that is missing is
// not waited for.
func (s *site) holds(container string, keys []string) {
	s.t.Helper()
	kv := s.node(container)
	for _, key := range keys {
		s.await(func() error {
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
			defer cancel()
			item, err := kv.Get(ctx, key)
			if errors.Is(err, kvclient.ErrNotFound) || err == nil && string(item.Value) != key {
				s.t.Fatalf("%s: got %q, %v", key, item.Value, err)
			}
			return err
		})
	}
}
