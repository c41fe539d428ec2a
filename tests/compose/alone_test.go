package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/micro/platform/internal/certs/certstest"
)

const image = "micro-platform/kv-srv"

// testAlone: an image that is run without more ado says what it needs.
func testAlone(s *site) {
	code, said := s.refused(image)
	if code != 2 || !strings.Contains(said, "KV_ADDRESS: other machines can reach :8106") || !strings.Contains(said, "PLATFORM_TLS_CERT") || !strings.Contains(said, "PLATFORM_INSECURE=true") {
		s.t.Errorf("no settings: got exit code %d, %s", code, said)
	}
	id := s.begin("-e", "PLATFORM_INSECURE=true", "-p", "127.0.0.1::8106", "--health-interval", "1s", image)
	s.healthy(id)
	at := strings.TrimSpace(s.run("docker", "port", id, "8106"))
	if got := s.run("curl", "-s", "http://"+at+"/readyz"); got != `{"status":"ready"}`+"\n" {
		s.t.Errorf("got %s", got)
	}
	all := s.begin("-e", "PLATFORM_INSECURE=true", "--health-interval", "1s", s.image("platform"), "serve")
	s.healthy(all)
	away := s.begin("-e", "PLATFORM_INSECURE=true", "-e", "KV_STORE=etcd://127.0.0.1:1", "--health-interval", "1s", "--health-retries", "1", "--health-start-period", "1ms", image)
	s.await(func() error { return unless(s.inspect(away, "{{.State.Health.Status}}"), "unhealthy") })
	if got := s.inspect(away, "{{(index .State.Health.Log 0).Output}}"); !strings.Contains(got, "error: kv-srv: waiting for store: ") {
		s.t.Errorf("the health check says %q", got)
	}
}

// testMutual: with mutual TLS it starts and is healthy, whatever its certificate is for.
func testMutual(s *site) {
	ca := certstest.NewCA(s.t)
	pair := ca.Issue("kv.test", time.Now().Add(time.Hour))
	dir := s.t.TempDir()
	args := []string{"-v", dir + ":/certs:ro", "--health-interval", "1s"}
	for name, data := range map[string][]byte{"CERT": pair.Cert, "KEY": pair.Key, "CLIENT_CA": ca.PEM} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil { // the container's user is another
			s.t.Fatal(err)
		}
		args = append(args, "-e", "PLATFORM_TLS_"+name+"=/certs/"+name)
	}
	s.healthy(s.begin(append(args, image)...))
}
