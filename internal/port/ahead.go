package port

import (
	"context"
	"sync"

	"google.golang.org/grpc/mem"
)

// ahead reads what the caller of a stream sends before the handler asks for it, so that
// the handler waits where the end of a context reaches it. grpc-go knows of no end but
// the caller's, and to read each message in a goroutine of its own costs more than the
// message. A message that cannot be read ends the stream when it arrives, which may be
// before the handler has had those before it.
type ahead struct {
	take func() (mem.Buffer, error) // the next message

	served []arrived // the handler's: came out of queue
	next   int       // of served

	mu      sync.Mutex // guards what follows
	come    sync.Cond  // something waits, or the stream has ended
	room    sync.Cond  // there is room for more, or the stream has ended
	queue   []arrived
	size    int // bytes of it
	started bool
	ended   bool
	forget  func() bool // stops to follow the context
}

func newAhead(take func() (mem.Buffer, error)) *ahead {
	a := &ahead{take: take}
	a.come.L, a.room.L = &a.mu, &a.mu
	return a
}

// arrived is a message, or why there is none. Nothing comes after an error.
type arrived struct {
	data mem.Buffer
	err  error
}

// What waits for a handler at most, beside the last message: as much as HTTP/2 lets a
// caller send anyway.
const (
	aheadMessages = 64
	aheadBytes    = 64 << 10
)

// recv returns the next message. What has arrived comes before the end of ctx.
func (a *ahead) recv(ctx context.Context) (mem.Buffer, error) {
	if a.next == len(a.served) && !a.swap(ctx) {
		return nil, ctx.Err()
	}
	m := a.served[a.next]
	if m.err == nil { // else it comes again
		a.served[a.next].data = nil
		a.next++
	}
	return m.data, m.err
}

// swap waits for messages and takes all. It returns false at the end.
func (a *ahead) swap(ctx context.Context) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.started {
		a.started = true
		a.forget = context.AfterFunc(ctx, a.end)
		go a.read() // ends with the call
	}
	for len(a.queue) == 0 {
		if a.ended {
			return false
		}
		a.come.Wait()
	}
	a.served, a.queue, a.next, a.size = a.queue, a.served[:0], 0, 0
	a.room.Signal()
	return true
}

func (a *ahead) read() {
	for {
		data, err := a.take()
		if !a.put(arrived{data, err}) || err != nil {
			return
		}
	}
}

// put returns false where nobody awaits more.
func (a *ahead) put(m arrived) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, m)
	if m.err == nil {
		a.size += m.data.Len()
	}
	a.come.Signal()
	for !a.ended && (len(a.queue) >= aheadMessages || a.size >= aheadBytes) {
		a.room.Wait()
	}
	return !a.ended
}

func (a *ahead) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.come.Signal()
	a.room.Signal()
}

// stop is called once the handler has ended.
func (a *ahead) stop() {
	a.mu.Lock()
	forget := a.forget
	a.started = true
	a.mu.Unlock()
	if forget != nil {
		forget()
	}
	a.end()
}
