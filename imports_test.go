package platform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An edge is an import, or with indirect something linked because of one. A path
// that begins with "./" is ours, "." is the root package.
type edge struct {
	from, to string
	test     bool // only the tests of from import it
	indirect bool
	shared   bool // a client imports from, or what imports it
}

// A rule says which edges may not be.
type rule struct {
	says    string
	tests   bool // holds for what tests import, too
	linked  bool // holds for what is linked indirectly, too
	forbids func(edge) bool
}

// rules are those of ARCHITECTURE.md. The compiler has one more: no package reaches
// into the internal folder of another service.
var rules = []rule{
	{
		says: "a client, and what it imports of its service, imports nothing of ours but that, internal/client, what a registry holds, and contracts",
		forbids: func(e edge) bool {
			x := service(e.from)
			return x != "" && (e.shared || within(e.from, clientOf(x))) && ours(e.to) &&
				!within(e.to, clientOf(x), "./"+x+"/internal", "./internal/client", "./internal/registries/record", "./proto")
		},
	},
	{
		says: "what a client imports of its service does no I/O",
		forbids: func(e edge) bool {
			return service(e.from) != "" && e.shared && inputOutput(e.to)
		},
	},
	{
		says:   "a client links nothing that serves",
		linked: true,
		forbids: func(e edge) bool {
			x := service(e.from)
			inside := "./" + x + "/internal"
			return x != "" && within(e.from, clientOf(x)) &&
				within(e.to, "./internal/host", inside+"/handler", inside+"/ingest", inside+"/page", inside+"/store")
		},
	},
	{
		says: "only its own main, cmd/platform and tests import a server",
		forbids: func(e edge) bool {
			x := service(e.to)
			return within(e.to, serverOf(x)) && e.from != "./"+x && !helpsTests(e.from) && !within(e.from, serverOf(x), "./cmd/platform", "./tests")
		},
	},
	{
		says: "a handler knows no driver",
		forbids: func(e edge) bool {
			x := "./" + service(e.from) + "/internal"
			return within(e.from, x+"/handler") && within(e.to, x+"/store") && e.to != x+"/store"
		},
	},
	{
		says: "a service imports nothing of another but its client",
		forbids: func(e edge) bool {
			x := service(e.to)
			return service(e.from) != "" && x != "" && service(e.from) != x && !within(e.to, clientOf(x))
		},
	},
	{
		says: "what the services share knows no service, but the host the clients of auth, discovery and trace",
		forbids: func(e edge) bool {
			return within(e.from, "./internal") && service(e.to) != "" &&
				(!within(e.from, "./internal/host", "./internal/registries") || !within(e.to, clientOf("auth-srv"), clientOf("discovery-srv"), clientOf("trace-srv")))
		},
	},
	{
		says:  "a contract imports nothing of ours but contracts",
		tests: true,
		forbids: func(e edge) bool {
			return within(e.from, "./proto") && ours(e.to) && !within(e.to, "./proto")
		},
	},
	{
		says: "only tests import what helps tests",
		forbids: func(e edge) bool {
			return ours(e.to) && helpsTests(e.to) && !helpsTests(e.from) && !within(e.from, "./tests")
		},
	},
	{
		says:   "go-micro's root package links every plugin: it is for the package platform, examples and tests",
		tests:  true,
		linked: true,
		forbids: func(e edge) bool {
			return e.to == "go-micro.dev/v5" && e.from != "." && !within(e.from, "./examples", "./tests")
		},
	},
	{
		says:   "go-micro's gRPC client and server replace gRPC's codec in the whole process: they are for tests",
		tests:  true,
		linked: true,
		forbids: func(e edge) bool {
			return within(e.to, "go-micro.dev/v5/client/grpc", "go-micro.dev/v5/server/grpc") && !within(e.from, "./tests")
		},
	},
	{
		says:   "go-micro's auth/jwt links an abandoned library with a known vulnerability",
		tests:  true,
		linked: true,
		forbids: func(e edge) bool {
			return within(e.to, "go-micro.dev/v5/auth/jwt")
		},
	},
}

// broken returns what the rules say against an edge.
func broken(e edge) []string {
	var said []string
	for _, r := range rules {
		if (r.tests || !e.test) && (r.linked || !e.indirect) && r.forbids(e) {
			said = append(said, r.says)
		}
	}
	return said
}

func ours(path string) bool { return path == "." || strings.HasPrefix(path, "./") }

// within tells whether path is one of the folders or in one.
func within(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

// service returns the service that a package belongs to, or "".
func service(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "./"), "/")
	if !ours(path) || !strings.HasSuffix(first, "-srv") {
		return ""
	}
	return first
}

// clientOf returns "./kv-srv/kvclient" for "kv-srv".
func clientOf(service string) string {
	return "./" + service + "/" + strings.TrimSuffix(service, "-srv") + "client"
}

// serverOf returns "./kv-srv/kvserver" for "kv-srv".
func serverOf(service string) string {
	return "./" + service + "/" + strings.TrimSuffix(service, "-srv") + "server"
}

// helpsTests is true of ./internal/host/hosttest.
func helpsTests(path string) bool { return strings.HasSuffix(path, "test") }

// inputOutput is true of the standard packages that reach outside of the process.
func inputOutput(path string) bool {
	return within(path, "database/sql", "os", "syscall") || path == "net" || path == "net/http"
}

// TestImports checks the rules on the packages of this module.
func TestImports(t *testing.T) {
	packages := list(t)
	shared := sharedByClients(packages)
	for _, p := range packages {
		said := map[string]bool{} // once for each import, however many tests have it
		check := func(to string, e edge) {
			e.from, e.to, e.shared = p.ImportPath, to, shared[p.ImportPath]
			for _, why := range broken(e) {
				if !said[to+why] {
					said[to+why] = true
					t.Errorf("%s imports %s: %s", e.from, e.to, why)
				}
			}
		}
		for _, to := range p.Imports {
			check(to, edge{})
		}
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			check(to, edge{test: true})
		}
		for _, to := range p.Deps {
			check(to, edge{indirect: true})
		}
	}
}

// A pkg is what go list says of a package.
type pkg struct {
	ImportPath                               string
	Imports, TestImports, XTestImports, Deps []string
}

// list returns the packages of this module, with the paths that edge has.
func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatalf("go list: %v", err)
	}
	out = regexp.MustCompile(`"github.com/micro/platform(/[^"]*)?"`).ReplaceAll(out, []byte(`".$1"`))
	var packages []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
	return packages
}

// sharedByClients returns the packages of ours that clients import, and what those
// import, but for contracts.
func sharedByClients(packages []pkg) map[string]bool {
	imports := map[string][]string{}
	for _, p := range packages {
		imports[p.ImportPath] = p.Imports
	}
	shared := map[string]bool{}
	var share func(from string)
	share = func(from string) {
		for _, to := range imports[from] {
			if ours(to) && !within(to, "./proto") && !shared[to] {
				shared[to] = true
				share(to)
			}
		}
	}
	for _, p := range packages {
		if within(p.ImportPath, clientOf(service(p.ImportPath))) {
			share(p.ImportPath)
		}
	}
	return shared
}

// TestImportRules breaks each rule, and comes close to it.
func TestImportRules(t *testing.T) {
	tests := []struct {
		edge
		want string // how the rule that is broken begins; "": none
	}{
		{edge{from: "./kv-srv/kvclient", to: "./proto/micro/kv/v1"}, ""},
		{edge{from: "./kv-srv/kvclient", to: "./kv-srv/internal/names"}, ""},
		{edge{from: "./kv-srv/kvclient", to: "./internal/client/stream"}, ""},
		{edge{from: "./kv-srv/kvclient/cache", to: "./kv-srv/kvclient"}, ""},
		{edge{from: "./kv-srv/kvclient", to: "./kv-srv/kvserver", test: true}, ""},
		{edge{from: "./kv-srv/kvclient", to: "./internal/host/hosttest", test: true}, ""},
		{edge{from: "./kv-srv/kvclient", to: "os"}, ""},
		{edge{from: "./kv-srv/kvclient", to: "./internal/clientele"}, "a client, and"},
		{edge{from: "./kv-srv/kvclient/cache", to: "./internal/rpcerr"}, "a client, and"},
		{edge{from: "./kv-srv/kvclient", to: "./auth-srv/authclient"}, "a client, and"},
		{edge{from: "./kv-srv/kvclient", to: "."}, "a client, and"},
		{edge{from: "./kv-srv/internal/names", to: "./internal/rpcerr"}, ""},
		{edge{from: "./kv-srv/internal/names", to: "./internal/rpcerr", shared: true}, "a client, and"},

		{edge{from: "./kv-srv/internal/names", to: "net/url", shared: true}, ""},
		{edge{from: "./kv-srv/internal/names", to: "os"}, ""},
		{edge{from: "./kv-srv/internal/names", to: "os", shared: true}, "what a client imports"},
		{edge{from: "./kv-srv/internal/names", to: "net", shared: true}, "what a client imports"},
		{edge{from: "./kv-srv/internal/names", to: "database/sql", shared: true}, "what a client imports"},

		{edge{from: "./kv-srv/kvclient", to: "./kv-srv/internal/handler"}, "a client links"},
		{edge{from: "./kv-srv/kvclient", to: "./kv-srv/internal/store/memory", indirect: true}, "a client links"},
		{edge{from: "./kv-srv/kvclient", to: "./internal/host", indirect: true}, "a client links"},

		{edge{from: "./kv-srv", to: "./kv-srv/kvserver"}, ""},
		{edge{from: "./cmd/platform", to: "./kv-srv/kvserver"}, ""},
		{edge{from: "./tests/e2e", to: "./kv-srv/kvserver"}, ""},
		{edge{from: "./log-srv/logclient", to: "./kv-srv/kvserver", test: true}, ""},
		{edge{from: "./examples/hello", to: "./kv-srv/kvserver"}, "only its own main"},
		{edge{from: ".", to: "./kv-srv/kvserver"}, "only its own main"},
		{edge{from: "./kv-srv/internal/handler", to: "./kv-srv/kvserver"}, "only its own main"},

		{edge{from: "./kv-srv/internal/handler", to: "./kv-srv/internal/store"}, ""},
		{edge{from: "./kv-srv/internal/handler", to: "./kv-srv/internal/store/memory", test: true}, ""},
		{edge{from: "./kv-srv/kvserver", to: "./kv-srv/internal/store/redis"}, ""},
		{edge{from: "./kv-srv/internal/handler", to: "./kv-srv/internal/store/redis"}, "a handler knows"},
		{edge{from: "./kv-srv/internal/handler/batch", to: "./kv-srv/internal/store/redis"}, "a handler knows"},

		{edge{from: "./router-srv/routerserver", to: "./discovery-srv/discoveryclient"}, ""},
		{edge{from: "./router-srv/internal/handler", to: "./discovery-srv/routes"}, "a service imports"},

		{edge{from: "./internal/host", to: "./auth-srv/authclient"}, ""},
		{edge{from: "./internal/host", to: "./internal/rpcerr"}, ""},
		{edge{from: "./internal/host", to: "./kv-srv/kvclient"}, "what the services share"},
		{edge{from: "./internal/page", to: "./auth-srv/authclient"}, "what the services share"},

		{edge{from: "./proto/micro/kv/v1", to: "./proto/micro"}, ""},
		{edge{from: "./proto/micro/kv/v1", to: "go-micro.dev/v5/client"}, ""},
		{edge{from: "./proto/micro/kv/v1", to: "./internal/rpcerr"}, "a contract imports"},

		{edge{from: "./kv-srv/internal/store/memory", to: "./kv-srv/internal/store/storetest", test: true}, ""},
		{edge{from: "./tests/compat", to: "./internal/host/hosttest"}, ""},
		{edge{from: "./kv-srv/internal/store/memory", to: "testing/synctest"}, ""},
		{edge{from: "./kv-srv/internal/store/memory", to: "./kv-srv/internal/store/storetest"}, "only tests"},

		{edge{from: ".", to: "go-micro.dev/v5"}, ""},
		{edge{from: "./examples/hello", to: "go-micro.dev/v5"}, ""},
		{edge{from: "./internal/host", to: "go-micro.dev/v5/client"}, ""},
		{edge{from: "./internal/host", to: "go-micro.dev/v5"}, "go-micro's root"},
		{edge{from: "./internal/host", to: "go-micro.dev/v5", test: true}, "go-micro's root"},
		{edge{from: "./kv-srv", to: "go-micro.dev/v5", indirect: true}, "go-micro's root"},

		{edge{from: "./tests/compat", to: "go-micro.dev/v5/client/grpc"}, ""},
		{edge{from: "./examples/hello", to: "go-micro.dev/v5/client/grpc"}, "go-micro's gRPC"},
		{edge{from: "./internal/host", to: "go-micro.dev/v5/server/grpc", test: true}, "go-micro's gRPC"},
		{edge{from: "./kv-srv", to: "go-micro.dev/v5/server/grpc", indirect: true}, "go-micro's gRPC"},

		{edge{from: ".", to: "go-micro.dev/v5/auth/jwt"}, "go-micro's auth/jwt"},
		{edge{from: "./tests/e2e", to: "go-micro.dev/v5/auth/jwt/token", test: true}, "go-micro's auth/jwt"},
	}
	tried := map[string]bool{}
	for _, tt := range tests {
		got := broken(tt.edge)
		if tt.want == "" && len(got) > 0 {
			t.Errorf("%+v: got %q, want none", tt.edge, got)
		}
		if tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
			t.Errorf("%+v: got %q, want one that begins with %q", tt.edge, got, tt.want)
		}
		for _, why := range got {
			tried[why] = true
		}
	}
	for _, r := range rules {
		if !tried[r.says] {
			t.Errorf("no row breaks the rule %q", r.says)
		}
	}
}
