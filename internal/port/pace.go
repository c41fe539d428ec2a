package port

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// pace bounds each wait for a caller: to take what is written, or to send. Waits come one
// after the other. It looks a few times in the time that one may last, and only while
// there are any: to set a timer for each message costs a good part of the message.
type pace struct {
	limit time.Duration
	owner cutter

	waits   atomic.Int64 // begun and ended: odd while one is under way
	watched atomic.Bool  // look will come
	late    atomic.Bool  // a wait was cut

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	seen  int64 // waits, at the last look
	same  int   // looks that have seen it
	over  bool
}

// cutter ends the wait that is under way. cut is called again while that goes on, and
// never after stop.
type cutter interface{ cut() }

func (p *pace) init(limit time.Duration, owner cutter) { p.limit, p.owner = limit, owner }

// looks are how often a wait is seen before it is cut: no earlier than after limit, no
// later than a look after.
const looks = 4

func (p *pace) begin() {
	p.waits.Add(1)
	if !p.watched.Load() {
		p.watch()
	}
}

func (p *pace) end() { p.waits.Add(1) }

// watch has look come.
func (p *pace) watch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.watched.Store(true)
	p.seen, p.same = p.waits.Load(), 0
	if p.timer == nil {
		p.timer = time.AfterFunc(p.limit/looks, p.look)
		return
	}
	p.timer.Reset(p.limit / looks)
}

// look comes again until it finds no wait.
func (p *pace) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.idle() {
		return
	}
	if now := p.waits.Load(); now != p.seen {
		p.seen, p.same = now, 0
	} else if p.same++; p.same >= looks {
		p.late.Store(true)
		p.owner.cut()
	}
	p.timer.Reset(p.limit / looks)
}

// idle tells that nobody waits, and leaves it to the next wait to watch.
func (p *pace) idle() bool {
	if p.waits.Load()%2 == 1 {
		return false
	}
	p.watched.Store(false)
	if p.waits.Load()%2 == 0 {
		return true
	}
	p.watched.Store(true) // one has begun, and may not have seen that nobody watches
	return false
}

// stop ends the looks. None is under way when it returns.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// reasonStalled is the reason of an error that has ended a stream.
const reasonStalled = "stalled"

// stalled is why a call ends whose caller does not take what is written.
func stalled(limit time.Duration) *rpcerr.Error {
	return rpcerr.New(codes.DeadlineExceeded, reasonStalled, "the caller has not taken a message within %v", limit)
}

// hasStalled tells whether err is one of stalled.
func hasStalled(err error) bool {
	e, ok := errors.AsType[*rpcerr.Error](err)
	return ok && e.Reason == reasonStalled
}
