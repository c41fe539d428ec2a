package below

import (
	"context"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Amend implements registrar.Below. The node that has the lease renews the record.
func (b *Below) Amend(_ context.Context, id catalog.ID, old, i *discoverypb.Instance) (kept bool) {
	owner := b.owner(id)
	was, err := encode(id.Name, old, owner)
	if err != nil || owner == "" {
		return false
	}
	is, err := encode(id.Name, i, owner)
	if err == nil {
		err = b.opts.Registry.Register(is, registry.RegisterTTL(keep))
	}
	if err == nil && is.Name != was.Name {
		err = b.opts.Registry.Deregister(was)
	}
	b.told(err)
	return err == nil && b.opts.Keeps
}

func (b *Below) owner(id catalog.ID) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owners[id]
}

// note remembers who has put an instance there; nil: nobody.
func (b *Below) note(id catalog.ID, e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e == nil || e.owner == "" || e.owner == b.opts.Owner {
		delete(b.owners, id)
		return
	}
	b.owners[id] = e.owner
}
