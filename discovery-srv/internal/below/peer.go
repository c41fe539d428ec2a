package below

import (
	"context"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// peer is another node that has put an instance there.
type peer struct {
	owner string
	proof string // of the lease there
}

// moment is how long who has no lease says something of an instance where its own node answers
// for it: that hears of it at once.
const moment = 5 * time.Second

// Amend implements registrar.Below. The node that has the lease renews the record. What is not
// told now is found to be missing by the next look. mDNS could not be told to forget it again.
func (b *Below) Amend(_ context.Context, id catalog.ID, old, i *discoverypb.Instance) (kept bool) {
	p := b.peer(id)
	was, err := encode(id.Name, old, p)
	if err != nil || p.owner == "" || b.hangs() || !b.opts.Keeps && !b.opts.Watches {
		return false
	}
	ttl := keep
	if !b.opts.Keeps {
		ttl = moment
	}
	is, err := encode(id.Name, i, p)
	if err == nil {
		err = b.opts.Registry.Register(is, registry.RegisterTTL(ttl))
	}
	if err == nil && is.Name != was.Name {
		err = b.opts.Registry.Deregister(was)
	}
	b.told(err)
	return err == nil && b.opts.Keeps
}

// Adopt implements registrar.Below. What stood under another name the other node takes away,
// and may have put there again by now: if it has not, that goes with the next renewal.
func (b *Below) Adopt(ctx context.Context, id catalog.ID, i *discoverypb.Instance, proof string) {
	if !b.opts.Keeps { // then nobody else can take it away
		b.Put(ctx, id, i, proof)
		return
	}
	s, err := encode(id.Name, i, peer{b.opts.Owner, proof})
	if err != nil {
		return
	}
	m := b.own(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(s)
	if b.hangs() {
		m.next = time.Now() // Run's turn
		return
	}
	err = b.opts.Registry.Register(s, registry.RegisterTTL(keep))
	b.told(err)
	m.next = time.Now().Add(renew)
	if err != nil {
		m.next = time.Now().Add(turn)
	}
}

// Proof implements registrar.Below.
func (b *Below) Proof(id catalog.ID) string { return b.peer(id).proof }

func (b *Below) peer(id catalog.ID) peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peers[id]
}

// note remembers who has put an instance there; nil: nobody.
func (b *Below) note(id catalog.ID, e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e == nil || e.by.owner == "" || e.by.owner == b.opts.Owner {
		delete(b.peers, id)
		return
	}
	b.peers[id] = e.by
}

// Release implements registrar.Below. Where both nodes write to one place, the other one has
// replaced what stood under the same name.
func (b *Below) Release(id catalog.ID, now *discoverypb.Instance) {
	b.mu.Lock()
	m := b.mine[id]
	delete(b.mine, id)
	b.mu.Unlock()
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone.Store(true)
	for _, s := range m.services {
		if !b.opts.Keeps || s.Name != name(id.Name, now.GetStatus()) {
			b.told(b.opts.Registry.Deregister(s))
		}
	}
}
