// Package disk keeps items in a folder of this machine, in a log-structured tree of
// files that one process has.
package disk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/watching"
)

// Options say how a store behaves. The zero value is a store that logs nothing.
type Options struct {
	// Log gets what the engine says, at debug, and errors that no call returned.
	Log *slog.Logger

	// Reserve is the free space below which writes return store.ErrFull, so that
	// those under way still fit; 0: DefaultReserve.
	Reserve uint64

	// History bounds the bytes of the changes that are kept for watchers, of all
	// namespaces together; 0: DefaultHistory.
	History int64

	// Quotas are those of the namespaces; nil: there are none. An item that has expired
	// counts until it is removed.
	Quotas store.Quotas

	// Progress is how often a watch emits store.Progress; 0: every 30 seconds.
	Progress time.Duration

	// Now is the clock, which stands after 1970; nil: time.Now.
	Now func() time.Time

	// FS is where the folder is; nil: the file system of this machine.
	FS vfs.FS
}

// What Options that name nothing mean.
const (
	DefaultReserve = 128 << 20
	DefaultHistory = 64 << 20
)

// Store is a store.Store on disk.
//
// A write holds the lock of its key's stripe while it looks at what is there, and that of
// the queue while it adds to it. It returns when the engine's log is synced up to it; many
// share one sync. What is queued is visible to other writes of the key, and nobody is told
// of it before it is synced: a reader that meets it waits.
type Store struct {
	opts    Options
	db      *pebble.DB
	room    *room
	stripes *[stripes]stripe
	seeds   [2]maphash.Seed

	queue   queue
	order   chan struct{} // holds one token: who has it changes applied
	applied atomic.Uint64 // changes up to it can be read
	synced  atomic.Uint64 // and up to it are on disk

	history  history
	tend     tend
	removals removals

	broken  atomic.Pointer[error] // why nothing can be written any more
	failed  chan struct{}         // closed with it
	trouble atomic.Pointer[error] // why nothing can be written now
	breaker sync.Once

	life   sync.RWMutex // held for reading while the engine is asked in the background
	closed bool         // under life

	expired, lagging atomic.Uint64
	watchers         atomic.Int64

	done   chan struct{} // closed by Close
	cancel context.CancelFunc
	kept   sync.WaitGroup // the keeper
	wrote  sync.WaitGroup // the lander
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder that no other process has, and makes it if there is
// none. It runs two goroutines beside those of the engine, which end with Close.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := newStore(opts)
	s.room = newRoom(s.opts.FS, path, s.opts.Reserve)
	if err := checkSchema(s.room, path); err != nil {
		return nil, err
	}
	if left, least := s.room.free(), s.opts.Reserve/4; left < least {
		return nil, fmt.Errorf("open %s: the disk has %d bytes left, want %d at least", path, left, least)
	}
	if err := checkManifests(s.room, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db, err := s.openEngine(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, damaged(err))
	}
	s.db = db
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, damaged(err)), db.Close())
	}
	s.room.fail = s.fail
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.wrote.Go(s.land)
	s.kept.Go(func() { s.keep(ctx) })
	return s, nil
}

func newStore(opts Options) *Store {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Reserve == 0 {
		opts.Reserve = DefaultReserve
	}
	if opts.History <= 0 {
		opts.History = DefaultHistory
	}
	if opts.Progress <= 0 {
		opts.Progress = watching.Period
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	s := &Store{
		opts:    opts,
		stripes: new([stripes]stripe),
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		order:   make(chan struct{}, 1),
		failed:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	s.queue.tallies = make(map[string]*tally)
	s.queue.landing = make(chan *group, 64)
	s.history.spaces = make(map[string]*space)
	s.history.chunkBytes = opts.History / 64
	s.history.over = make(map[string]*space)
	s.tend.poke = make(chan struct{}, 1)
	return s
}

// recover reads what Store keeps in memory, and reserves versions.
func (s *Store) recover() error {
	limit, err := s.number(metaKey("limit"))
	if err != nil {
		return err
	}
	q := &s.queue
	q.version = max(limit, 1)
	q.limit = q.version + versions
	if err := s.db.Set(metaKey("limit"), encode(q.limit), pebble.Sync); err != nil {
		return err
	}
	s.applied.Store(q.version)
	s.synced.Store(q.version)
	q.filling = s.newGroup()
	if err := s.loadTallies(); err != nil {
		return err
	}
	return errors.Join(s.loadHeads(), s.loadHistory())
}

// now is in nanoseconds since 1970, as all times are kept.
func (s *Store) now() int64 { return s.opts.Now().UnixNano() }

// Ready returns why writes cannot be served now, or nil.
func (s *Store) Ready(context.Context) error {
	if err := s.sick(); err != nil {
		return err
	}
	return s.room.check()
}

// sick returns what is wrong with the disk, but for too little space, or nil.
func (s *Store) sick() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	if err := s.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends all writing: what the log has after an error nobody knows.
func (s *Store) fail(err error) {
	s.breaker.Do(func() {
		err = fmt.Errorf("the log cannot be written, the process must start again: %w", err)
		s.opts.Log.Error("kv store broke", slog.Any("error", err))
		s.broken.Store(&err)
		close(s.failed)
	})
}

// Close ends the watches and closes the files. Where the disk is full, or fails, it leaves
// the engine as a killed process would, which loses nothing that was acknowledged, and
// says so.
func (s *Store) Close() error {
	s.life.Lock()
	s.closed = true
	s.life.Unlock()
	close(s.done)
	close(s.room.closing)
	s.cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.end() }() // when there is room again
	return s.linger(ended)
}

func (s *Store) end() error {
	s.kept.Wait()
	s.ground()
	s.wrote.Wait()
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return s.db.Close()
}

// linger waits for the end. Where the disk holds it up, it does so for a time, and returns
// why.
func (s *Store) linger(ended <-chan error) error {
	look := time.NewTicker(retried)
	defer look.Stop()
	var held time.Time
	for {
		select {
		case err := <-ended:
			return err
		case now := <-look.C:
			err := s.broken.Load()
			if err == nil {
				err = s.trouble.Load()
			}
			switch {
			case err == nil && !s.room.jammed():
				held = time.Time{}
			case held.IsZero():
				held = now
			case now.Sub(held) < patience:
			case err != nil:
				return fmt.Errorf("closed as if killed, the next start reads the log: %w", *err)
			default:
				return fmt.Errorf("closed as if killed, the next start reads the log: %w", store.ErrFull)
			}
		}
	}
}

// Stats is what became of a store since Open.
type Stats struct {
	Items      int64  // with those that are expired but not removed yet
	Namespaces int    // that have items
	Bytes      uint64 // of the files
	Free       uint64 // bytes that the disk has left
	Expired    uint64 // items removed after their time
	Watchers   int
	Lagging    uint64 // watches that ended because they read too slowly
}

// Stats returns the current figures.
func (s *Store) Stats() Stats {
	s.queue.mu.Lock()
	items, namespaces := s.queue.items, len(s.queue.tallies)
	s.queue.mu.Unlock()
	return Stats{
		Items:      items,
		Namespaces: namespaces,
		Bytes:      s.db.Metrics().DiskSpaceUsage(),
		Free:       s.room.free(),
		Expired:    s.expired.Load(),
		Watchers:   int(s.watchers.Load()),
		Lagging:    s.lagging.Load(),
	}
}
