package compose_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/micro/platform/tests/backends"
)

// testEtcd runs kv-srv in its container on a real etcd outside.
func testEtcd(s *site) {
	s.t.Setenv("BACKENDS_DIR", s.t.TempDir())
	backends.Start(s.t, "etcd")
	s.t.Cleanup(func() { s.command("../..", "tests/backends/backends", "wipe", "etcd") })
	gateway := strings.TrimSpace(s.run("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", s.project+"_default"))
	s.t.Setenv("KV_STORE", "etcd://"+forward(s.t, gateway, etcd(s)))
	s.run("make", "up")
	kv := outside()
	if got, err := kv.Get(s.t.Context(), "greeting"); err == nil {
		s.t.Errorf("an empty etcd has %v", got)
	}
	if _, err := kv.Put(s.t.Context(), "greeting", []byte("from etcd")); err != nil {
		s.t.Fatal(err)
	}
	if got, err := kv.Get(s.t.Context(), "greeting"); err != nil || string(got.Value) != "from etcd" {
		s.t.Errorf("got %v, %v", got, err)
	}
	count := s.run("curl", "-s", "-d", `{"key":"AA==","range_end":"AA==","count_only":true}`, "http://"+etcd(s)+"/v3/kv/range")
	if !strings.Contains(count, `"count":"`) {
		s.t.Errorf("etcd has %s", count)
	}
}

// etcd is where the script has started it, on loopback.
func etcd(s *site) string {
	_, at, _ := strings.Cut(s.command("../..", "tests/backends/backends", "env", "etcd"), "TEST_ETCD_URL='etcd://")
	return strings.TrimSuffix(strings.TrimSpace(at), "'")
}

// forward makes a server of loopback reachable at another address of this machine, for
// containers, until the test ends.
func forward(t *testing.T, ip, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go join(near, to)
		}
	}()
	return l.Addr().String()
}

func join(near net.Conn, to string) {
	defer near.Close()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}
