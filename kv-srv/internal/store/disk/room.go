package disk

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/micro/platform/kv-srv/internal/store"
)

const (
	looked  = 10 * time.Millisecond // how long what statfs said holds
	retried = 50 * time.Millisecond // how often what found no space is tried again
)

// room is a file system that runs out of space gently. The engine's log and manifest do
// not survive a failed write, so writes that find no space are tried again until there
// is some. Before that, check refuses new work while a reserve is left.
type room struct {
	vfs.FS
	path    string
	reserve uint64

	left   atomic.Uint64 // free bytes, when they were last looked at
	lookAt atomic.Int64  // when to look again

	mu  sync.Mutex
	n   int           // operations that wait for space
	jam chan struct{} // closed while there are any
}

func newRoom(fs vfs.FS, path string, reserve uint64) *room {
	return &room{FS: fs, path: path, reserve: reserve, jam: make(chan struct{})}
}

// free returns the free bytes of the disk.
func (r *room) free() uint64 {
	now := time.Now().UnixNano()
	next := r.lookAt.Load()
	if now < next || !r.lookAt.CompareAndSwap(next, now+int64(looked)) {
		return r.left.Load()
	}
	usage, err := r.GetDiskUsage(r.path)
	if err != nil { // a write will tell
		usage.AvailBytes = math.MaxUint64
	}
	r.left.Store(usage.AvailBytes)
	return usage.AvailBytes
}

// check returns store.ErrFull when new writes have no room.
func (r *room) check() error {
	if left := r.free(); left < r.reserve {
		return fmt.Errorf("the disk has %d bytes left, of which %d are a reserve: %w", left, r.reserve, store.ErrFull)
	}
	if r.jammed() {
		return fmt.Errorf("the disk has no space for writes under way: %w", store.ErrFull)
	}
	return nil
}

func (r *room) jammed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n > 0
}

// jamming returns what is closed while writes wait for space.
func (r *room) jamming() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jam
}

func (r *room) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n++; r.n == 1 {
		close(r.jam)
	}
}

func (r *room) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 {
		r.jam = make(chan struct{})
	}
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// do does what needs space, and again until there is some.
func (r *room) do(f func() error) error {
	err := f()
	if !noSpace(err) {
		return err
	}
	r.begin()
	defer r.end()
	again := time.NewTicker(retried)
	defer again.Stop()
	for noSpace(err) {
		<-again.C
		err = f()
	}
	return err
}

// Create implements vfs.FS.
func (r *room) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return r.file(func() (vfs.File, error) { return r.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (r *room) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return r.file(func() (vfs.File, error) { return r.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (r *room) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return r.file(func() (vfs.File, error) { return r.FS.ReuseForWrite(from, to, c) })
}

// Link implements vfs.FS.
func (r *room) Link(from, to string) error {
	return r.do(func() error { return r.FS.Link(from, to) })
}

// Rename implements vfs.FS.
func (r *room) Rename(from, to string) error {
	return r.do(func() error { return r.FS.Rename(from, to) })
}

// MkdirAll implements vfs.FS.
func (r *room) MkdirAll(name string, mode os.FileMode) error {
	return r.do(func() error { return r.FS.MkdirAll(name, mode) })
}

// Unwrap implements vfs.FS.
func (r *room) Unwrap() vfs.FS { return r.FS }

func (r *room) file(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := r.do(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &roomFile{File: f, room: r}, nil
}

// roomFile is a file of a room.
type roomFile struct {
	vfs.File
	room *room
}

// Write implements vfs.File. What was written before the space ended is not written
// twice.
func (f *roomFile) Write(b []byte) (int, error) {
	n := 0
	err := f.room.do(func() error {
		m, err := f.File.Write(b[n:])
		n += m
		return err
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f *roomFile) WriteAt(b []byte, at int64) (int, error) {
	n := 0
	err := f.room.do(func() error {
		m, err := f.File.WriteAt(b[n:], at+int64(n))
		n += m
		return err
	})
	return n, err
}
