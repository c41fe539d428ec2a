package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// sick is a file system on which what a fault hits fails while it is on.
type sick struct {
	vfs.FS
	fault
	on   atomic.Bool
	hits atomic.Int64
}

// fault is an operation on some files.
type fault struct {
	op      string // create, read, write, sync
	files   string // a pattern of names
	what    vfs.DiskWriteCategory
	stalled chan struct{} // what it hits waits until this is closed, and does not fail
}

func (fs *sick) check(op, name string, c vfs.DiskWriteCategory) error {
	if ok, _ := filepath.Match(fs.files, filepath.Base(name)); !ok || !fs.on.Load() || op != fs.op || fs.what != "" && fs.what != c {
		return nil
	}
	fs.hits.Add(1)
	if fs.stalled != nil {
		<-fs.stalled
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: syscall.EIO}
}

func (fs *sick) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.check("create", name, c); err != nil {
		return nil, err
	}
	f, err := fs.FS.Create(name, c)
	return &sickFile{f, fs, name, c}, err
}

func (fs *sick) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.check("create", to, c); err != nil {
		return nil, err
	}
	f, err := fs.FS.ReuseForWrite(from, to, c)
	return &sickFile{f, fs, to, c}, err
}

func (fs *sick) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, opts...)
	return &sickFile{File: f, fs: fs, name: name}, err
}

type sickFile struct {
	vfs.File
	fs   *sick
	name string
	what vfs.DiskWriteCategory
}

func (f *sickFile) Write(b []byte) (int, error) {
	if err := f.fs.check("write", f.name, f.what); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (f *sickFile) ReadAt(b []byte, at int64) (int, error) {
	if err := f.fs.check("read", f.name, f.what); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, at)
}

func (f *sickFile) Sync() error {
	return errors.Join(f.fs.check("sync", f.name, f.what), f.File.Sync())
}

func (f *sickFile) SyncData() error {
	return errors.Join(f.fs.check("sync", f.name, f.what), f.File.SyncData())
}

func (f *sickFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, errors.Join(f.fs.check("sync", f.name, f.what), err)
}

// putUntil puts until a call fails or enough is done, and returns what was acknowledged.
func putUntil(t *testing.T, s *disk.Store, round string, n int) (map[string]uint64, error) {
	t.Helper()
	kept := make(map[string]uint64)
	for i := range n {
		key := fmt.Sprintf("%s/%d", round, i)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		version, err := s.Put(ctx, "ns", store.Write{Key: key, Value: []byte(strings.Repeat(strconv.Itoa(i), 2000))})
		cancel()
		if err != nil {
			return kept, err
		}
		kept[key] = version
	}
	return kept, nil
}

// TestLogFails: when the log cannot be written, writing ends, and what was acknowledged is
// read, also after a restart.
func TestLogFails(t *testing.T) {
	for _, op := range []string{"create", "write", "sync"} {
		t.Run(op, func(t *testing.T) {
			path, fs := t.TempDir(), &sick{FS: vfs.Default, fault: fault{op: op, files: "*.log"}}
			s := open(t, path, disk.Options{FS: fs})
			kept, err := putUntil(t, s, "well", 100)
			if err != nil {
				t.Fatal(err)
			}
			fs.on.Store(true)
			more, err := putUntil(t, s, "sick", 10_000)
			if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("Put: got %v, want what the disk says", err)
			}
			maps.Copy(kept, more)
			if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the process must start again: ") {
				t.Errorf("Ready: got %v", err)
			}
			wantKept(t, s, kept)
			fs.on.Store(false)
			if _, err := s.Put(t.Context(), "ns", store.Write{Key: "after"}); err == nil {
				t.Error("a log that has failed is written to")
			}
			if err := s.Close(); err == nil {
				t.Error("Close does not say that the log failed")
			}
			wantCopyKept(t, path, kept)
		})
	}
}

// wantCopyKept opens what another process would find.
func wantCopyKept(t *testing.T, path string, kept map[string]uint64) {
	t.Helper()
	moved := filepath.Join(t.TempDir(), "moved")
	for err := os.CopyFS(moved, os.DirFS(path)); err != nil; err = os.CopyFS(moved, os.DirFS(path)) {
		if !errors.Is(err, fs.ErrNotExist) { // a table that could not be written was removed meanwhile
			t.Fatal(err)
		}
		moved += "-again"
	}
	s := open(t, moved, disk.Options{})
	defer closeStore(t, s)
	wantKept(t, s, kept)
}

// TestFlushFails: while what is in memory cannot be written to a table, writes fail and
// say why, and go on when it can be.
func TestFlushFails(t *testing.T) {
	for _, op := range []string{"create", "write", "sync"} {
		t.Run(op, func(t *testing.T) {
			path := t.TempDir()
			fs := &sick{FS: vfs.Default, fault: fault{op: op, files: "*.sst", what: "pebble-memtable-flush"}}
			s := open(t, path, disk.Options{FS: fs})
			fs.on.Store(true)
			kept, err := putUntil(t, s, "sick", 20_000)
			if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("Put: got %v, want what the disk says", err)
			}
			if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "input/output error") {
				t.Errorf("Ready: got %v", err)
			}
			wantKept(t, s, kept)
			before := fs.hits.Load()
			time.Sleep(3 * time.Second)
			if n := fs.hits.Load() - before; n > 10 {
				t.Errorf("it is tried %d times in 3 seconds", n)
			}
			wantCopyKept(t, path, kept)
			fs.on.Store(false)
			kept["after"] = putWhenWell(t, s)
			closeStore(t, s)
			wantCopyKept(t, path, kept)
		})
	}
}

// putWhenWell puts when that is possible.
func putWhenWell(t *testing.T, s *disk.Store) uint64 {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		version, err := s.Put(t.Context(), "ns", store.Write{Key: "after"})
		if err == nil {
			return version
		}
		if time.Now().After(deadline) {
			t.Fatalf("the disk is well: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestCompactionFails: nothing but space is lost while tables cannot be joined.
func TestCompactionFails(t *testing.T) {
	for _, op := range []string{"create", "read", "write", "sync"} {
		t.Run(op, func(t *testing.T) {
			path := t.TempDir()
			fs := &sick{FS: vfs.Default, fault: fault{op: op, files: "*.sst", what: "pebble-compaction"}}
			if op == "read" {
				fs.what = ""
			}
			fs.on.Store(true)
			s := open(t, path, disk.Options{FS: fs})
			kept := make(map[string]uint64)
			for round := 0; fs.hits.Load() == 0 && round < 40; round++ {
				more, err := putUntil(t, s, strconv.Itoa(round), 500)
				if err != nil {
					t.Fatal(err)
				}
				maps.Copy(kept, more)
			}
			if fs.hits.Load() == 0 {
				t.Fatal("nothing was compacted")
			}
			time.Sleep(time.Second)
			if n := fs.hits.Load(); n > 10 {
				t.Errorf("it was tried %d times", n)
			}
			fs.on.Store(op != "read")
			wantKept(t, s, kept)
			closeStore(t, s)
			wantCopyKept(t, path, kept)
		})
	}
}

const doomedVar = "DISK_DOOMED" // the folder of a process whose list of files fails, and how

// TestListOfFilesFails: the process ends and says why, and the next one has all that was
// acknowledged.
func TestListOfFilesFails(t *testing.T) {
	if path := os.Getenv(doomedVar); path != "" {
		doomed(t, path)
		return
	}
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			path := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestListOfFilesFails$")
			cmd.Env = append(os.Environ(), doomedVar+"="+path, "DISK_FAULT="+op)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err == nil || !strings.Contains(said.String(), "panic: kv store: MANIFEST ") || !strings.Contains(said.String(), "input/output error") {
				t.Fatalf("the process ended with %v:\n%s", err, said.String())
			}
			kept := make(map[string]uint64)
			for line := range strings.Lines(string(out)) {
				var key string
				var version uint64
				if n, _ := fmt.Sscanln(line, &key, &version); n == 2 && strings.HasSuffix(line, "\n") {
					kept[key] = version
				}
			}
			if len(kept) < 100 {
				t.Fatalf("%d writes were acknowledged", len(kept))
			}
			s := open(t, path, disk.Options{})
			wantKept(t, s, kept)
			closeStore(t, s)
		})
	}
}

// doomed writes until the process ends, and says what was acknowledged.
func doomed(t *testing.T, path string) {
	fs := &sick{FS: vfs.Default, fault: fault{op: os.Getenv("DISK_FAULT"), files: "MANIFEST-*"}}
	s := open(t, path, disk.Options{FS: fs})
	fs.on.Store(true)
	for i := range 100_000 {
		key := fmt.Sprint("sick/", i)
		version, err := s.Put(t.Context(), "ns", store.Write{Key: key, Value: make([]byte, 3000)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(key, version)
	}
}

// TestLogStalls: while the log waits for the disk, writes end with their deadlines, and
// what is there is read. Once it goes on they do.
func TestLogStalls(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			fs := &sick{FS: vfs.Default, fault: fault{op: op, files: "*.log", stalled: make(chan struct{})}}
			s := open(t, t.TempDir(), disk.Options{FS: fs})
			mustPut(t, s, "ns", store.Write{Key: "there"})
			fs.on.Store(true)
			results := make(chan error, 50)
			for i := range cap(results) {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
					defer cancel()
					_, err := s.Put(ctx, "ns", store.Write{Key: fmt.Sprint(i), Value: make([]byte, 1<<18)})
					results <- err
				}()
			}
			for range cap(results) {
				select {
				case err := <-results:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v, want that the deadline has passed", err)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("a write outlives its deadline")
				}
			}
			if fs.hits.Load() == 0 {
				t.Error("nothing was stalled")
			}
			if _, err := s.Get(t.Context(), "ns", "there"); err != nil {
				t.Errorf("Get: %v", err)
			}
			fs.on.Store(false)
			close(fs.stalled)
			mustPut(t, s, "ns", store.Write{Key: "after"})
			closeStore(t, s)
		})
	}
}
