// Package resp_test has tools and clients of Redis call kv-srv.
package resp_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
)

const password = "for this test"

// listen runs kv-srv, and returns where clients of Redis are served.
func listen(t *testing.T) (host, port string) {
	t.Helper()
	if os.Getenv("INTEROP") == "" {
		t.Skip("needs redis-cli, redis-benchmark, Python and a package registry: make test-interop")
	}
	env := map[string]string{"KV_RESP": "127.0.0.1:0", "KV_RESP_PASSWORD": password}
	host, port, err := net.SplitHostPort(hosttest.Run(t, env, kvserver.Service()).Door("kv-srv", call.RESP))
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// run returns what a command prints.
func run(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestCLI types into redis-cli, over both protocols.
func TestCLI(t *testing.T) {
	host, port := listen(t)
	for _, protocol := range []string{"-2", "-3"} {
		t.Run(protocol, func(t *testing.T) {
			said := run(t, "PING\nSELECT team"+protocol+"\nSET a 'b \\x41' EX 100\nGET a\nGET none\nTTL a\nINCR n\nINCRBY n 41\nMSET x 1 y 2\n"+
				"MGET x none y\nDEL a b\nEXISTS x y z\nNOSUCH 1\nINCR\nDBSIZE\n", "redis-cli", "-h", host, "-p", port, protocol, "--no-raw")
			want := "PONG\nOK\nOK\n\"b \\\\x41\"\n(nil)\n(integer) 100\n(integer) 1\n(integer) 42\nOK\n" +
				"1) \"1\"\n2) (nil)\n3) \"2\"\n(integer) 1\n(integer) 2\n(error) ERR unknown command 'NOSUCH', with args beginning with: '1' \n" +
				"(error) ERR wrong number of arguments for 'incr' command\n(integer) 3\n"
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			said = run(t, "", "redis-cli", "-h", host, "-p", port, protocol, "-n", "7", "SET", "k", "v") +
				run(t, "", "redis-cli", "-h", host, "-p", port, protocol, "-n", "7", "--scan", "--pattern", "k*")
			if said != "OK\nk\n" {
				t.Errorf("in database 7: %q", said)
			}
		})
	}
}

// TestMany reads what redis-cli has sent in bulk.
func TestMany(t *testing.T) {
	host, port := listen(t)
	said := run(t, strings.Repeat("*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", 10000), "redis-cli", "-h", host, "-p", port, "--pipe")
	if !strings.Contains(said, "errors: 0, replies: 10000") {
		t.Errorf("redis-cli says %q", said)
	}
	if said := run(t, "", "redis-cli", "-h", host, "-p", port, "GET", "n"); said != "10000\n" {
		t.Errorf("got %q", said)
	}
}

// TestBenchmark: redis-benchmark finds what it needs.
func TestBenchmark(t *testing.T) {
	host, port := listen(t)
	for _, pipeline := range []string{"1", "16"} {
		said := run(t, "", "redis-benchmark", "-h", host, "-p", port, "-a", password, "-n", "5000", "-c", "20", "-P", pipeline, "-r", "1000",
			"-t", "ping,set,get,incr,mset", "--csv")
		for _, test := range []string{"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"} {
			if !strings.Contains(said, "\""+test+"\",") {
				t.Errorf("no result of %s", test)
			}
		}
		if strings.Contains(said, "ERR") || strings.Contains(said, "WARN") {
			t.Errorf("redis-benchmark says:\n%s", said)
		}
	}
}

// TestPython runs client.py with redis-py.
func TestPython(t *testing.T) {
	host, port := listen(t)
	venv := filepath.Join(t.TempDir(), "venv")
	run(t, "", "python3", "-m", "venv", venv)
	run(t, "", filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt")
	if said := run(t, "", filepath.Join(venv, "bin", "python"), "client.py", host, port, password); said != "all is well over RESP2\nall is well over RESP3\n" {
		t.Errorf("client.py says %q", said)
	}
}
