package backends

import (
	"bytes"
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// FreeAddress returns an address of this machine where nothing listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Run starts a server of the test's own in a new folder. It ends with the test, which
// shows what it said if it has failed.
func Run(t *testing.T, binary string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = t.TempDir()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// Consul returns the path of Consul's binary, which the script has put into a folder of
// its own if it is not in PATH.
func Consul(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("consul"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Or(os.Getenv("BACKENDS_CACHE"), filepath.Join(cache, "micro-platform", "backends")) + "/consul/usr/bin/consul"
}
