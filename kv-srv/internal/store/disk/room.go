package disk

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
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
	rested  = 5 * time.Second       // how long no compaction follows one that failed
)

// What the engine says that it writes.
const (
	flush      vfs.DiskWriteCategory = "pebble-memtable-flush"
	compaction vfs.DiskWriteCategory = "pebble-compaction"
)

// rest is a time in which something that failed is not tried again, which the engine
// would do at once.
type rest struct{ until atomic.Int64 }

func (r *rest) begin(d time.Duration) { r.until.Store(time.Now().Add(d).UnixNano()) }

// wait returns when it is over, or nothing is waited for any more.
func (r *rest) wait(closing <-chan struct{}) {
	left := time.Until(time.Unix(0, r.until.Load()))
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closing:
	}
}

// room is a file system that runs out of space gently.
//
//   - Below the reserve, new writes are refused; below half of it, what removes is, too.
//   - Compactions leave a quarter of it to the others. One that finds no more gives up,
//     which removes what it wrote, and is tried again later.
//   - The other tables, and copies, wait for space, but not for long: the engine tries
//     flushes again, and nothing is lost.
//   - The engine's log and lists of files do not survive a failed write: these wait until
//     there is some.
type room struct {
	vfs.FS
	path    string
	reserve uint64

	left   atomic.Uint64 // free bytes, when they were last looked at
	lookAt atomic.Int64  // when to look again

	flushing, compacting rest // after those that failed

	closing chan struct{} // closed when nothing more is waited for
	fail    func(error)   // is told of a log that cannot be made

	mu  sync.Mutex
	n   int           // operations that wait for space
	jam chan struct{} // closed while there are any
}

func newRoom(fs vfs.FS, path string, reserve uint64) *room {
	return &room{FS: fs, path: fs.PathJoin(path), reserve: reserve, closing: make(chan struct{}), jam: make(chan struct{})}
}

// free returns the free bytes of the disk.
func (r *room) free() uint64 {
	now := time.Now().UnixNano()
	next := r.lookAt.Load()
	if now < next || !r.lookAt.CompareAndSwap(next, now+int64(looked)) {
		return r.left.Load()
	}
	usage, err := r.FS.GetDiskUsage(r.path)
	if err != nil { // a write will tell
		usage.AvailBytes = math.MaxUint64
	}
	r.left.Store(usage.AvailBytes)
	return usage.AvailBytes
}

// GetDiskUsage implements vfs.FS, for the engine: how much its compactions may take.
func (r *room) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	usage, err := r.FS.GetDiskUsage(path)
	usage.AvailBytes -= min(usage.AvailBytes, r.reserve/4)
	return usage, err
}

// short tells whether new writes have no room.
func (r *room) short() bool { return r.free() < r.reserve }

// check returns store.ErrFull when new writes have no room.
func (r *room) check() error { return r.spare(r.reserve) }

// checkRemoval is check for what makes room.
func (r *room) checkRemoval() error { return r.spare(r.reserve / 2) }

func (r *room) spare(reserve uint64) error {
	if left := r.free(); left < reserve {
		return fmt.Errorf("the disk has %d bytes left, of which %d are a reserve: %w", left, reserve, store.ErrFull)
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

// vital tells whether the engine does not survive it if a file cannot be written.
func (r *room) vital(name string) bool {
	return r.PathDir(name) == r.path && !strings.HasSuffix(name, ".sst")
}

// do does what a file needs space for, and again until there is some, or it has waited
// for long enough.
func (r *room) do(name string, f func() error) error {
	err := f()
	if !noSpace(err) {
		return err
	}
	r.begin()
	defer r.end()
	again := time.NewTicker(retried)
	defer again.Stop()
	for begun := time.Now(); noSpace(err) && (r.vital(name) || time.Since(begun) < patience); {
		<-again.C
		err = f()
	}
	return err
}

// compactable returns an error where a compaction has no room now.
func (r *room) compactable() error {
	if left := r.free(); left < r.reserve/4 {
		return fmt.Errorf("compactions leave %d bytes of the disk to others, of %d: %w", r.reserve/4, left, syscall.ENOSPC)
	}
	return nil
}

// Create implements vfs.FS.
func (r *room) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return r.file(name, c, func() (vfs.File, error) { return r.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (r *room) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return r.file(name, c, func() (vfs.File, error) { return r.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (r *room) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return r.file(to, c, func() (vfs.File, error) { return r.FS.ReuseForWrite(from, to, c) })
}

// Link implements vfs.FS.
func (r *room) Link(from, to string) error {
	return r.do(to, func() error { return r.FS.Link(from, to) })
}

// Rename implements vfs.FS.
func (r *room) Rename(from, to string) error {
	return r.do(to, func() error { return r.FS.Rename(from, to) })
}

// MkdirAll implements vfs.FS.
func (r *room) MkdirAll(name string, mode os.FileMode) error {
	return r.do(name, func() error { return r.FS.MkdirAll(name, mode) })
}

// Unwrap implements vfs.FS.
func (r *room) Unwrap() vfs.FS { return r.FS }

func (r *room) file(name string, c vfs.DiskWriteCategory, open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	create := func() (err error) {
		f, err = open()
		return err
	}
	switch c {
	case flush:
		r.flushing.wait(r.closing)
	case vfs.WriteCategoryUnspecified:
	case compaction:
		err := r.compactable()
		if err == nil {
			err = create()
		}
		if err != nil {
			return nil, err
		}
		return &compactedFile{File: f, room: r}, nil
	}
	err := r.do(name, create)
	if err != nil && r.fail != nil && r.vital(name) && strings.HasSuffix(name, ".log") {
		r.fail(err)
		select {} // the engine would end the process, and not say why
	}
	if err != nil {
		return nil, err
	}
	return &roomFile{File: f, room: r, name: name}, nil
}

// compactedFile is a file that a compaction writes.
type compactedFile struct {
	vfs.File
	room *room
}

// Write implements vfs.File.
func (f *compactedFile) Write(b []byte) (int, error) {
	if err := f.room.compactable(); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

// roomFile is another file of a room.
type roomFile struct {
	vfs.File
	room *room
	name string
}

// Write implements vfs.File. What was written before the space ended is not written
// twice.
func (f *roomFile) Write(b []byte) (int, error) {
	n := 0
	err := f.room.do(f.name, func() error {
		m, err := f.File.Write(b[n:])
		n += m
		return err
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f *roomFile) WriteAt(b []byte, at int64) (int, error) {
	n := 0
	err := f.room.do(f.name, func() error {
		m, err := f.File.WriteAt(b[n:], at+int64(n))
		n += m
		return err
	})
	return n, err
}
