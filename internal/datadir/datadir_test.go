package datadir_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/micro/platform/internal/datadir"
)

func TestOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "kv-srv")
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.Path != path {
		t.Errorf("got path %q, want %q", d.Path, path)
	}
	_, err = datadir.Open(path)
	if want := fmt.Sprintf("%s is in use by process %d: stop it, or set PLATFORM_DATA to another folder", path, os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("the second of two: got error %v, want %s", err, want)
	}
	other, err := datadir.Open(path + "-other")
	if err != nil {
		t.Errorf("another folder: %v", err)
	} else if err := other.Close(); err != nil {
		t.Error(err)
	}
	// The refusal has not freed it.
	if _, err := datadir.Open(path); err == nil {
		t.Error("the third has what the first did not close")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	again, err := datadir.Open(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestOwner: the lock says that there is an owner, the PID file may lag behind.
func TestOwner(t *testing.T) {
	path := t.TempDir()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pid := filepath.Join(path, "PID")
	if got, err := os.ReadFile(pid); err != nil || string(got) != strconv.Itoa(os.Getpid()) {
		t.Errorf("got PID %q, %v, want %d", got, err, os.Getpid())
	}
	if err := os.Truncate(pid, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(path); err == nil || !strings.Contains(err.Error(), "in use by process unknown") {
		t.Errorf("got error %v, want one that says unknown", err)
	}
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "kv-srv")
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]fs.FileMode{
		filepath.Dir(path): fs.ModeDir | 0o700, path: fs.ModeDir | 0o700,
		filepath.Join(path, "LOCK"): 0o600, filepath.Join(path, "PID"): 0o600,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v, %v, want mode %v", name, info.Mode(), err, want)
		}
	}
}

func TestImpossible(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(file); err == nil {
		t.Error("a file was taken for a folder")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "LOCK"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(dir); err == nil || !strings.Contains(err.Error(), "lock "+filepath.Join(dir, "LOCK")) {
		t.Errorf("a folder that cannot be locked: got error %v", err)
	}
}
