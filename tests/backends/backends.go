// Package backends tells tests where the real servers are that the script beside it has
// started, and kills them.
package backends

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// URL returns where a backend is: TEST_ETCD_URL for "etcd". Without it the test is
// skipped, or fails where REQUIRE_BACKENDS=1 says that there are servers.
func URL(t *testing.T, name string) *url.URL {
	t.Helper()
	variable := "TEST_" + strings.ToUpper(name) + "_URL"
	value := os.Getenv(variable)
	switch {
	case value != "":
	case os.Getenv("REQUIRE_BACKENDS") == "1":
		t.Fatalf("REQUIRE_BACKENDS=1, but %s is not set", variable)
	default:
		t.Skipf("no %s to test against: %s is not set (make test-backends sets it)", name, variable)
	}
	u, err := url.Parse(value)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return u
}

// Kill ends a backend by SIGKILL, and starts it again at the end of the test if the
// test has not. No test that needs it may run meanwhile.
func Kill(t *testing.T, name string) {
	t.Helper()
	t.Cleanup(func() { Start(t, name) })
	script(t, "kill", name)
}

// Start starts a backend, with what it stored, and returns when it answers.
func Start(t *testing.T, name string) {
	t.Helper()
	script(t, "start", name)
}

func script(t *testing.T, args ...string) {
	t.Helper()
	root, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(root, "go.mod")); missing == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above this folder")
		}
		root = filepath.Dir(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "tests", "backends", "backends"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("backends %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
