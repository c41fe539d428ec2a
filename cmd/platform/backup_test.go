package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
)

// TestBackup takes a backup of a service that runs, and makes another's data of it.
func TestBackup(t *testing.T) {
	serve := func(data string) command {
		p := hosttest.Run(t, map[string]string{"KV_STORE": "disk:", "PLATFORM_DATA": data}, kvserver.Service())
		return command{t, process{
			stdin: strings.NewReader(""), stdinTerminal: true, registry: p.Registry, services: services(),
			getenv: func(name string) string { return map[string]string{"PLATFORM_DATA": data}[name] },
		}}
	}
	dir := t.TempDir()
	first := serve(filepath.Join(dir, "first"))
	first.want(first.run("kv", "put", "a", "before"), 0, "\n", "")
	file := filepath.Join(dir, "kv.tar")
	first.want(first.run("backup", "kv", file), 0, "kv-srv", "")
	first.want(first.run("kv", "put", "a", "after"), 0, "\n", "")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	if left, err := filepath.Glob(file + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	first.want(first.run("backup", "kv", file), 2, "", "kv.tar is there already")
	first.want(first.run("restore", "kv", file), 1, "", "is in use by process")
	first.want(first.onTerminal().run("backup", "kv", "-"), 2, "", "a backup is not for a terminal: name a FILE")

	second := filepath.Join(dir, "second")
	stopped := alone(t)
	stopped.services = services()
	stopped.getenv = func(name string) string { return map[string]string{"PLATFORM_DATA": second}[name] }
	stopped.want(stopped.run("restore", "kv", file), 0, "kv-srv", "")
	stopped.want(stopped.run("restore", "kv", file), 1, "", "there is data already in "+filepath.Join(second, "kv-srv", "disk")+": --replace puts the backup in its place")
	piped := stopped.with(first.run("backup", "kv-srv", "-").out)
	piped.want(piped.run("restore", "--replace", "kv-srv", "-"), 0, "kv-srv", "")
	again := serve(second)
	again.want(again.run("kv", "get", "a"), 0, "after", "")

	stopped.want(stopped.run("restore", "vk", file), 2, "", `no service "vk"`)
	stopped.want(stopped.run("restore", "kv", file+"x"), 2, "", "no such file")
	if err := os.Truncate(file, 5000); err != nil {
		t.Fatal(err)
	}
	stopped.getenv = func(name string) string { return map[string]string{"PLATFORM_DATA": filepath.Join(dir, "third")}[name] }
	stopped.want(stopped.run("restore", "kv", file), 1, "", "no backup: it is cut off")
}

// TestBackupOfNothing: what is in memory alone is in no backup.
func TestBackupOfNothing(t *testing.T) {
	c := newCommand(t)
	file := filepath.Join(t.TempDir(), "kv.tar")
	c.want(c.run("backup", "kv", file), 1, "", "unimplemented (operations.nothing_kept)")
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
