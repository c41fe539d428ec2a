package conformance_test

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildServer builds the server under test, and makes sure that it is made of the
// versions that the platform is made of.
func buildServer(t *testing.T, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	output(t, "go", append(append([]string{"build", "-o", program}, flags...), "./server")...)
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(output(t, "go", "mod", "edit", "-json", "../../go.mod")), &mod); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, m := range mod.Require {
		want[m.Path] = m.Version
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Fatal("the server does not say what it is made of")
	}
	for _, m := range info.Deps {
		if m.Path != "github.com/micro/platform" && (m.Replace != nil || m.Version != want[m.Path]) {
			t.Errorf("the server has %s %s, the platform %q", m.Path, m.Version, want[m.Path])
		}
	}
	return program
}

// buildRunner builds connectconformance as tools/conformance pins it, unless it lies in
// the cache already.
func buildRunner(t *testing.T) string {
	t.Helper()
	const pins = "../../tools/conformance"
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(pins, name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(b)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "micro-platform", "conformance", hex.EncodeToString(sum.Sum(nil)[:8]), "connectconformance")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	unfinished := fmt.Sprintf("%s.%d", program, os.Getpid())
	output(t, "go", "build", "-C", pins, "-o", unfinished, "connectrpc.com/conformance/cmd/connectconformance")
	if err := os.Rename(unfinished, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// output runs a command that must not fail.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}
