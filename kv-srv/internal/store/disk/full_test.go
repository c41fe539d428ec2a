package disk_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// small is a file system that takes so many bytes.
type small struct {
	vfs.FS
	left  atomic.Int64
	tells bool // how much is left
	frees bool // what is removed
}

func (fs *small) Remove(name string) error {
	if info, err := fs.Stat(name); err == nil && fs.frees {
		fs.left.Add(info.Size())
	}
	return fs.FS.Remove(name)
}

func (fs *small) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if fs.tells {
		return vfs.DiskUsage{AvailBytes: uint64(max(fs.left.Load(), 0))}, nil
	}
	return fs.FS.GetDiskUsage(path)
}

func (fs *small) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return &smallFile{f, fs}, err
}

func (fs *small) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, c)
	return &smallFile{f, fs}, err
}

type smallFile struct {
	vfs.File
	fs *small
}

// Write writes a part where there is no room for all.
func (f *smallFile) Write(b []byte) (int, error) {
	left := f.fs.left.Add(-int64(len(b)))
	if left >= 0 {
		return f.File.Write(b)
	}
	fits := max(int64(len(b))+left, 0)
	f.fs.left.Add(int64(len(b)) - fits)
	n, err := f.File.Write(b[:fits])
	return n, errors.Join(err, syscall.ENOSPC)
}

// TestFull: writes get ErrFull while there is no room, reads go on, and writes succeed
// once there is room, in a disk that says how much it has and in one that does not.
// Nothing that was acknowledged is lost, also not to a kill.
func TestFull(t *testing.T) {
	for _, tells := range []bool{true, false} {
		t.Run(fmt.Sprintf("tells %t", tells), func(t *testing.T) {
			path, fs := t.TempDir(), &small{FS: vfs.Default, tells: tells}
			fs.left.Store(16 << 20)
			s := open(t, path, disk.Options{FS: fs, Reserve: 4 << 20})
			kept := fillUp(t, s, 0)
			wantKept(t, s, kept)
			if err := s.Ready(t.Context()); !errors.Is(err, store.ErrFull) {
				t.Errorf("Ready: got %v, want %v", err, store.ErrFull)
			}
			fs.left.Store(64 << 20)
			deadline := time.Now().Add(30 * time.Second)
			for {
				version, err := s.Put(t.Context(), "ns", store.Write{Key: "room"})
				if err == nil {
					kept["room"] = version
					break
				}
				if !errors.Is(err, store.ErrFull) || time.Now().After(deadline) {
					t.Fatalf("once there is room: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			fs.left.Store(12 << 20)
			maps.Copy(kept, fillUp(t, s, 1))
			fs.left.Store(64 << 20)
			closeStore(t, s)
			s = open(t, path, disk.Options{})
			wantKept(t, s, kept)
			closeStore(t, s)
		})
	}
}

// fillUp puts from several callers until each has been told that the store is full, and
// returns what was acknowledged.
func fillUp(t *testing.T, s *disk.Store, round int) map[string]uint64 {
	t.Helper()
	kept := make(map[string]uint64)
	var mu sync.Mutex
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() {
			for i := range 100_000 {
				key := fmt.Sprintf("%d/%d/%d", round, caller, i)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				version, err := s.Put(ctx, "ns", store.Write{Key: key, Value: make([]byte, 3000)})
				cancel()
				if errors.Is(err, store.ErrFull) {
					return
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Put hangs: %v", err)
				}
				if err != nil {
					continue // nobody can tell
				}
				mu.Lock()
				kept[key] = version
				mu.Unlock()
			}
			t.Error("the store never was full")
		})
	}
	group.Wait()
	if len(kept) < 100 {
		t.Errorf("full after %d items", len(kept))
	}
	return kept
}

func wantKept(t *testing.T, s *disk.Store, kept map[string]uint64) {
	t.Helper()
	for key, version := range kept {
		item, err := s.Get(t.Context(), "ns", key)
		if err != nil || item.Version != version {
			t.Fatalf("Get(%q): got version %d, %v, want %d", key, item.Version, err, version)
		}
	}
}

// TestDeleteMakesRoom: on a full disk, what is deleted or ends gives its place to others.
func TestDeleteMakesRoom(t *testing.T) {
	for name, remove := range map[string]func(*disk.Store) error{
		"all": func(s *disk.Store) error {
			_, err := s.DeletePrefix(t.Context(), "ns", "")
			return err
		},
		"one by one": func(s *disk.Store) error {
			for i := 0; ; i += 3 {
				err := s.Delete(t.Context(), "ns", store.Removal{Key: fmt.Sprintf("%06d", i)})
				if err != nil {
					return err
				}
			}
		},
		"the end": func(*disk.Store) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			fs := &small{FS: vfs.Default, tells: true, frees: true}
			fs.left.Store(112 << 20)
			s := open(t, t.TempDir(), disk.Options{FS: fs, Reserve: 64 << 20})
			stuff(t, s, name == "the end")
			deadline := time.Now().Add(30 * time.Second)
			for {
				if err := remove(s); err != nil && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				if _, err := s.Put(t.Context(), "ns", store.Write{Key: "room"}); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("no room is made: %+v", s.Stats())
				}
				time.Sleep(100 * time.Millisecond)
			}
			closeStore(t, s)
		})
	}
}

// stuff fills a store until it stays full, with what ends some seconds later or does not.
func stuff(t *testing.T, s *disk.Store, ends bool) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	value := make([]byte, 30_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(value) // never fails
	for i, full := 0, 0; full < 20; {
		ttl := time.Duration(0)
		if ends {
			ttl = max(time.Until(end), time.Second)
		}
		_, err := s.Put(t.Context(), "ns", store.Write{Key: fmt.Sprintf("%06d", i), Value: value, TTL: ttl})
		switch {
		case err == nil:
			i++
			value[i%len(value)]++
		case errors.Is(err, store.ErrFull):
			full++
			time.Sleep(50 * time.Millisecond)
		default:
			t.Fatal(err)
		}
	}
}
