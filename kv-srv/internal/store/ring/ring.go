// Package ring keeps the items of a store in the memory of several processes, its nodes:
// each item on some of them.
//
// Each key belongs to a slot, and each slot to an owner and the replicas that follow it
// in the order of rendezvous hashing. The owner decides about reads and writes; a write
// is at every other holder of the slot before it is at the owner, and then it is
// answered.
//
// Nodes agree without a vote. Each takes the ring for what it hears and sees, its view,
// and answers for its keys only while every other member that does so has promised, by a
// lease, not to let anybody take its place, and has the same view. Who does not answer is
// left out once no promise to it holds any more. So of two nodes that hear of each other
// never do both answer for a key, and a node that was stopped knows when it wakes up
// that it has no lease. Parts of a ring that do not hear of each other go on, each for
// itself; when they do again, the smaller part joins anew and offers what it has: the
// later version of an item stays.
package ring

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/kv-srv/internal/lease"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	"github.com/micro/platform/kv-srv/internal/store/watching"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// DefaultReplicas is on how many nodes an item is.
const DefaultReplicas = 2

// Options say how a node behaves.
type Options struct {
	Replicas int            // on how many nodes each item is; the same for all; 0: DefaultReplicas
	Memory   memory.Options // of this node; Slots and Hash are the ring's
	Key      []byte         // that the nodes share: who does not have it is refused; nil: nobody is
	Log      *slog.Logger

	// Dial connects to a node, by gRPC.
	Dial func(address string) (*grpc.ClientConn, error)

	// Progress is how often a watch emits store.Progress; 0: every 30 seconds.
	Progress time.Duration

	// Forget is how long a node that was lost is asked whether it is back; 0: 10 minutes.
	Forget time.Duration

	// Alone is how long a node that starts looks for others before it goes on without;
	// 0: 1.5 s.
	Alone time.Duration
}

// term is how long a node may answer for its keys without word from another.
const (
	term     = 2 * time.Second
	beat     = term / 5 // from one word to the next
	patience = term / 2 // with a word that is not answered
)

// maxLeases bounds the leases on keys.
const maxLeases = 1 << 16

// Store is a node of a ring, and the whole ring to who uses it.
type Store struct {
	opts   Options
	local  *memory.Store
	began  time.Time
	slept  *awake                // the clock of leases
	turns  *[slots]chan struct{} // who writes to a slot
	leases *lease.Table

	// gate is held for reading by what looks at the view and acts on it at once, and for
	// writing by what changes it.
	gate sync.RWMutex
	view atomic.Pointer[view]
	bell bell // rings when the view or its lease has changed

	mu        sync.Mutex
	self      member
	peers     map[string]*peer
	strangers map[string]stranger // by name
	hubs      map[string]*hub     // by namespace
	open      map[*hub]struct{}   // all hubs
	have      *[slots]uint64      // versions after which this node has every write to a slot it holds
	caught    uint64              // of them, the one that all watches have reached, or were given the time to
	synced    *[slots][]string    // by name, who has all of a slot that this node answers for
	stale     bool                // what is here may be older, or newer, than what the ring has
	unoffered []int               // slots of which that is still to be offered to the owners
	rejoined  uint64              // the version at which it began to be so
	offered   uint64              // the view in which all was offered
	alone     time.Duration       // when to go on without others
	retry     time.Duration       // when to join again, after a refusal
	refusals  int                 // times in a row
	claims    uint64              // that were made
	rest      rest                // before the view that is entered next
	ticked    time.Duration       // when the node looked around last
	awake     time.Duration       // when it last found that it had been stopped

	keeping          atomic.Bool // stale, and not offered yet in this view: others are not to replace what is here
	moved, conflicts atomic.Int64
	attempts         atomic.Uint64 // to fill slots of others
	busy             atomic.Int64  // calls of other nodes under way
	feeds            sync.Map      // by id, channels that take what version is wanted

	fillsMu sync.Mutex
	fills   map[int32]*filling // by slot, those that were sent in this view

	ctx    context.Context //nolint:containedctx // ends what Start has begun
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Open returns a node that has not started: it knows nobody, and answers for nothing. It
// ends with Close, not with ctx.
func Open(ctx context.Context, o Options) *Store {
	if o.Replicas == 0 {
		o.Replicas = DefaultReplicas
	}
	if o.Alone == 0 {
		o.Alone = 3 * term / 4
	}
	if o.Forget == 0 {
		o.Forget = 10 * time.Minute
	}
	if o.Progress == 0 {
		o.Progress = watching.Period
	}
	o.Memory.Slots, o.Memory.Hash = slots, placement.Hash
	s := &Store{
		opts: o, local: memory.Open(o.Memory), began: time.Now(),
		leases: lease.New(time.Now, maxLeases),
		turns:  new([slots]chan struct{}), have: new([slots]uint64), synced: new([slots][]string),
		peers: map[string]*peer{}, strangers: map[string]stranger{}, hubs: map[string]*hub{}, open: map[*hub]struct{}{}, fills: map[int32]*filling{},
	}
	for i := range s.turns {
		s.turns[i] = make(chan struct{}, 1)
	}
	now := o.Memory.Now
	if now == nil {
		now = time.Now
	}
	s.slept = newAwake(s.began, now)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	birth := uint64(s.began.UnixMicro())
	s.self = member{birth: birth, seq: birth, state: ringpb.State_STATE_JOINING}
	s.view.Store(newView("", nil, o.Replicas))
	return s
}

// clock is the time since Open, which no change of the system's clock moves.
func (s *Store) clock() time.Duration { return time.Since(s.began) }

// leaseClock is the time since Open by which leases of this node end, ahead of clock by the
// time that the machine was suspended.
func (s *Store) leaseClock() time.Duration { return s.slept.clock() }

// Start begins to look for others and to answer them. The address is where they reach
// this node, host:port, and its name.
func (s *Store) Start(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self.name = address
	s.alone = s.clock() + s.opts.Alone
	s.ticked = s.clock()
	s.enter([]member{s.self})
	s.work.Go(s.look)
}

// Ready implements store.Store.
func (s *Store) Ready(context.Context) error {
	if why := s.waiting(); why != "" {
		return errors.New(why)
	}
	return nil
}

// Close implements store.Store. It tells nobody: see Leave.
func (s *Store) Close() error {
	s.cancel()
	s.mu.Lock()
	for _, p := range s.peers {
		p.stop()
	}
	s.mu.Unlock()
	s.bell.ring()
	s.work.Wait()
	var errs []error
	for _, p := range s.peers {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(append(errs, s.local.Close())...)
}

var _ store.Store = (*Store)(nil)

// Meet tells a node, once it has started, where there may be another one.
func (s *Store) Meet(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.learn(member{name: address})
	}
}
