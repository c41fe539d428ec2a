package compose_test

import (
	"fmt"
	"strings"
)

// finding runs the command in a container of its own, which finds services of a namespace
// by discovery.
func (s *site) finding(image, namespace string, args ...string) string {
	s.t.Helper()
	registry := "PLATFORM_REGISTRY=discovery://discovery-srv:8104?namespace=" + namespace
	command := []string{"run", "--rm", "--network", s.project + "_default", "-e", registry, image}
	return s.run("docker", append(command, args...)...)
}

// testDiscovery: containers find each other, and who is killed and replaced is found again.
func testDiscovery(s *site) {
	image := s.image("platform")
	if got := s.finding(image, "", "kv", "get", "greeting"); got != "hello" {
		s.t.Errorf("by name got %q", got)
	}
	before := s.instance()
	s.run("docker", "kill", s.container("kv-srv"))
	s.run("docker-compose", "up", "-d", "--force-recreate", "kv-srv")
	s.healthy(s.container("kv-srv"))
	s.await(func() error {
		if s.instance() == before {
			return fmt.Errorf("%s is still the first that is found", before)
		}
		return nil
	})
	if got := s.finding(image, "", "kv", "get", "greeting"); got != "hello" {
		s.t.Errorf("by name, of another container, got %q", got)
	}
	if got := s.run("curl", "-s", "http://127.0.0.1:8104/prometheus/sd?service=kv-srv"); !strings.Contains(got, ":8106") {
		s.t.Errorf("HTTP service discovery has %s", got)
	}
}

// instance is what discovery says of kv-srv to this machine.
func (s *site) instance() string {
	s.t.Helper()
	return s.run("curl", "-s", "-H", "Content-Type: application/json", "-d", `{"service":"kv-srv","filter":{"statuses":["STATUS_UP"]}}`,
		"http://127.0.0.1:8104/micro.discovery.v1.Registry/GetService")
}
