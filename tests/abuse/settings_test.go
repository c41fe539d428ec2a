package abuse_test

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wrongSettings are values that each make no sense of a kind of their own.
func wrongSettings() map[string][]string {
	durations := []string{"5", "0s", "-1s", "soon", "1s ", "9999999999h"}
	numbers := []string{"0", "-1", "many", "1.5", "0x10", "99999999999999999999"}
	return map[string][]string{
		"KV_ADDRESS": {
			"8106", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http", "127.0.0.1:-1", "[::1:80", "a:b:c", "http://127.0.0.1:80",
			"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:8106", "evil.example:8106", // reached from other machines
		},
		"KV_ADVERTISE":                {"http://host", "a:b:c", "host:port", "host:99999", "ho st"},
		"KV_STORE":                    {"256MiB", "mongo://u:topsecret@host", "%zz", "memory://host", "memory:?sise=1GiB", "memory:?size=1GB", "memory:?size=1", "memory:?evict=yes", "memory:?%zz"},
		"KV_STORE_FILE":               {"/none/such"},
		"KV_PEERS":                    {"kv", "kv:port", ":7946", "10.0.0.7:0", "http://kv:7946", "registry", "kv:7946,kv"},
		"KV_RING_ADDRESS":             {"7946", "127.0.0.1", "127.0.0.1:99999"},
		"KV_RING_KEY":                 {"topsecret", "dG9wc2VjcmV0"},
		"KV_RING_KEY_FILE":            {"/none/such"},
		"KV_RESP":                     {"6379", "127.0.0.1", "127.0.0.1:99999", "redis://127.0.0.1:6379", "0.0.0.0:6379", ":6379"},
		"KV_RESP_PASSWORD_FILE":       {"/none/such"},
		"PLATFORM_REGISTRY":           {"mdns", "ftp://u:topsecret@host", "%zz"},
		"PLATFORM_MDNS":               {"wan", "true", "LAN"},
		"PLATFORM_LOG":                {"loud", "2"},
		"PLATFORM_INSECURE":           {"yes", "1", "TRUE", "false "},
		"PLATFORM_HOSTS":              {"http://kv.example", "kv example", "kv.example:80", "*"},
		"PLATFORM_MAX_MESSAGE":        {"0", "-1", "4MB", "4 MiB", "2GiB", "9223372036854775807KiB", "1.5MiB", "much"},
		"PLATFORM_MAX_CALLS":          numbers,
		"PLATFORM_MAX_STREAMS":        numbers,
		"PLATFORM_MAX_CONNS":          numbers,
		"PLATFORM_MAX_CONN_STREAMS":   numbers,
		"PLATFORM_MAX_HEADER":         {"0", "-1", "64KB", "17MiB"},
		"PLATFORM_COMPRESS_MIN":       {"0", "-1", "1KB", "2GiB"},
		"PLATFORM_CORS_ORIGINS":       {"*", "app.example", "https://app.example/", "https://", "null", "https://app.example https://b.example"},
		"PLATFORM_TLS_CA":             {"/none/such", "/dev/null"},
		"PLATFORM_TLS_CLIENT_CA":      {"/none/such"},
		"PLATFORM_TLS_SERVER_NAME":    {"kv.example"},
		"PLATFORM_TIMEOUT":            durations,
		"PLATFORM_WRITE_TIMEOUT":      durations,
		"PLATFORM_KEEPALIVE":          durations,
		"PLATFORM_IDLE":               durations,
		"PLATFORM_SLOW":               durations,
		"PLATFORM_DRAIN":              durations,
		"OTEL_EXPORTER_OTLP_ENDPOINT": {"%zz", "ftp://host", "host"},
	}
}

// TestWrongSetting starts kv-srv with each of them. It must end at once, with a code
// that says "do not start me again", and name the variable.
func TestWrongSetting(t *testing.T) {
	path := built(t)
	all := wrongSettings()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, value := range all[name] {
				p := begin(t, path, map[string]string{name: value})
				code := p.exit(t, soon)
				said := p.stderr.String()
				if code != 2 || !strings.HasPrefix(said, "error: "+name+": ") || strings.Count(said, "\n") != 1 {
					t.Errorf("%s=%q: got exit code %d and %q, want 2 and the name of the variable in one line", name, value, code, said)
				}
				if strings.Contains(said, "topsecret") {
					t.Errorf("%s=%q: tells the password: %q", name, value, said)
				}
			}
		})
	}
}

// TestWrongSettings are several at once: all are told.
func TestWrongSettings(t *testing.T) {
	p := begin(t, built(t), map[string]string{
		"KV_ADDRESS": "0.0.0.0:0", "KV_STORE": "mongo://host", "PLATFORM_TIMEOUT": "soon", "PLATFORM_LOG": "loud", "PLATFORM_MAX_CALLS": "many",
	})
	if code := p.exit(t, soon); code != 2 {
		t.Errorf("got exit code %d, want 2", code)
	}
	for _, name := range []string{"KV_ADDRESS", "PLATFORM_TIMEOUT", "PLATFORM_LOG", "PLATFORM_MAX_CALLS"} { // KV_STORE is seen once those are right
		if !strings.Contains(p.stderr.String(), name+": ") {
			t.Errorf("%s is not told of: %s", name, p.stderr.String())
		}
	}
	if !strings.Contains(p.stderr.String(), "PLATFORM_INSECURE") {
		t.Errorf("the way out is not told of: %s", p.stderr.String())
	}
}

// TestSettingFile has a value where it is expected twice, and in a file.
func TestSettingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(file, []byte("mongo://u:topsecret@host\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]string{"KV_STORE_FILE=" + file: `KV_STORE: no backend for scheme "mongo"`, "KV_STORE=memory: KV_STORE_FILE=" + file: "KV_STORE: set it or KV_STORE_FILE, not both"} {
		settings := map[string]string{}
		for word := range strings.FieldsSeq(env) {
			name, value, _ := strings.Cut(word, "=")
			settings[name] = value
		}
		p := begin(t, built(t), settings)
		if code, said := p.exit(t, soon), p.stderr.String(); code != 2 || !strings.Contains(said, want) || strings.Contains(said, "topsecret") {
			t.Errorf("%s: got exit code %d and %q", env, code, said)
		}
	}
}

// TestUsage calls kv-srv as nobody should, and as everybody does first.
func TestUsage(t *testing.T) {
	for args, want := range map[string]struct {
		code           int
		stdout, stderr string
	}{
		"-h":                 {0, "KV_STORE", ""},
		"--help":             {0, "PLATFORM_MAX_CONNS", ""},
		"--version":          {0, "kv-srv ", ""},
		"serve":              {2, "", `kv-srv: takes no argument "serve"`},
		"health":             {2, "", "KV_ADDRESS: \"127.0.0.1:0\" takes a free port"},
		"health now":         {2, "", `kv-srv: takes no argument "health now"`},
		"restore":            {2, "", `kv-srv: takes no argument "restore"`},
		"restore /none/such": {2, "", "no such file"},
		"restore a b":        {2, "", "kv-srv restore: takes [--replace] FILE"},
		"-h -h":              {2, "", "takes no argument"},
		"--version=1":        {2, "", "takes no argument"},
		"--":                 {2, "", "takes no argument"},
	} {
		p := begin(t, built(t), map[string]string{"PLATFORM_TIMEOUT": "soon"}, strings.Fields(args)...) // which nobody reads
		code := p.exit(t, soon)
		stdout, stderr := p.stdout.String(), p.stderr.String()
		if code != want.code || !strings.Contains(stdout, want.stdout) || !strings.Contains(stderr, want.stderr) || (stderr == "") != (want.stderr == "") {
			t.Errorf("kv-srv %s: got exit code %d, %q and %q", args, code, stdout, stderr)
		}
	}
}

// TestTakenPort is a failure that goes away by itself: who watches the process may try
// again.
func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := begin(t, built(t), map[string]string{"KV_ADDRESS": l.Addr().String()})
	code, said := p.exit(t, soon), p.stderr.String()
	if code != 1 || !strings.Contains(said, "error: start kv-srv: ") || !strings.Contains(said, l.Addr().String()) || !strings.Contains(said, "in use") {
		t.Errorf("got exit code %d and %q", code, said)
	}
	if !strings.Contains(said, "KV_ADDRESS") {
		t.Errorf("which setting would help is not told: %q", said)
	}
}
