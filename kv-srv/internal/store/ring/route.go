package ring

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// firstPause is how long a call waits for the ring to change before it asks again; it
// doubles up to lastPause.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// safe says that a call may be made again although the first one may have been done.
const safe = true

// route makes a call to the owner of a slot, here or there, until one answers or ctx is
// done. Where it is not known whether a call was done that is not safe to make again, it
// returns errBroken.
func (s *Store) route(ctx context.Context, slot int, again bool, here func() error, there func(*peer) error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rung := s.bell.wait()
		err := s.once(slot, here, there)
		switch {
		case errors.Is(err, errMoved), errors.Is(err, errUnsent):
		case again && (errors.Is(err, errBroken) || errors.Is(err, errTimeout)):
		default:
			return err
		}
		if err := s.pause(ctx, rung, pause); err != nil {
			return err
		}
	}
}

func (s *Store) once(slot int, here func() error, there func(*peer) error) error {
	v := s.view.Load()
	switch owner := v.Owner[slot]; owner {
	case -1:
		return errMoved
	case v.self:
		return here()
	default:
		p := s.peer(v.members[owner].name)
		if p == nil {
			return errUnsent
		}
		return there(p)
	}
}

func (s *Store) pause(ctx context.Context, rung <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-rung:
		return nil
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errClosed = errors.New("the store is closed")

// ask makes a call to a node that may have to wait.
func (p *peer) ask(ctx context.Context, call *ringpb.Call) (*ringpb.Answer, error) {
	call.Timeout = timeout(ctx)
	a, err := p.calls.do(ctx, nil, call)
	if err != nil {
		return nil, err
	}
	return a, outcome(a)
}

// timeout is the time that ctx has left, nil if it has no deadline.
func timeout(ctx context.Context) *durationpb.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	return durationpb.New(time.Until(deadline))
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	slot := placement.Slot(namespace, key)
	if item, err := s.get(ctx, slot, namespace, key); !errors.Is(err, errLeft) {
		return item, err
	}
	items, err := s.read(ctx, slot, &ringpb.Read{Namespace: namespace, Keys: []string{key}})
	if err != nil {
		return store.Item{}, err
	}
	if r := items.GetRecords(); len(r) == 1 && r[0].GetVersion() != 0 {
		return itemOf(r[0]), nil
	}
	return store.Item{}, store.ErrNotFound
}

// get reads an item of this node, or returns errLeft if there is more to it than to look.
func (s *Store) get(ctx context.Context, slot int, namespace, key string) (store.Item, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	v := s.view.Load()
	if !v.owns(slot) || !v.serves(s.leaseClock()) {
		return store.Item{}, errLeft
	}
	item, err := s.local.Get(ctx, namespace, key)
	if errors.Is(err, store.ErrNotFound) && !v.settled.Load() && len(v.members) > 1 {
		return store.Item{}, errLeft // it may be on its way
	}
	return item, err
}

// read asks the owner of a slot for items of it.
func (s *Store) read(ctx context.Context, slot int, r *ringpb.Read) (items *ringpb.Items, err error) {
	err = s.route(ctx, slot, safe, func() error {
		items, err = s.readOwned(ctx, r)
		return err
	}, func(p *peer) error {
		a, err := p.ask(ctx, &ringpb.Call{Read: r})
		items = a.GetItems()
		return err
	})
	return items, err
}

// readBytes bounds an answer. What is left out of it is asked for one by one.
const readBytes = 8 * frameBytes

// readHere reads items that this node may answer for at once, or returns errLeft. Of too
// much it returns the first ones.
func (s *Store) readHere(r *ringpb.Read) (*ringpb.Items, error) {
	items, size := &ringpb.Items{}, 0
	for _, key := range r.GetKeys() {
		if size > readBytes {
			break
		}
		item, err := s.get(s.ctx, placement.Slot(r.GetNamespace(), key), r.GetNamespace(), key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		size += item.Size()
		items.Records = append(items.Records, recordOfItem(r.GetNamespace(), item))
	}
	return items, nil
}

// readOwned reads items that this node answers for, and waits until it may.
func (s *Store) readOwned(ctx context.Context, r *ringpb.Read) (*ringpb.Items, error) {
	items, size := &ringpb.Items{}, 0
	for _, key := range r.GetKeys() {
		if size > readBytes {
			break
		}
		item, err := s.getOwned(ctx, r.GetNamespace(), key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		size += item.Size()
		items.Records = append(items.Records, recordOfItem(r.GetNamespace(), item))
	}
	return items, nil
}

// getOwned is get that waits until this node may answer, and has the item brought here
// that another node has.
func (s *Store) getOwned(ctx context.Context, namespace, key string) (store.Item, error) {
	slot := placement.Slot(namespace, key)
	for {
		v, err := s.owning(ctx, slot)
		if err != nil {
			return store.Item{}, err
		}
		item, err := s.get(ctx, slot, namespace, key)
		if !errors.Is(err, errLeft) {
			return item, err
		}
		if err := s.repair(ctx, v, slot, namespace, key); err != nil && !errors.Is(err, errLeft) {
			return store.Item{}, err
		}
		s.gate.RLock()
		if s.still(v, slot) {
			item, err = s.local.Get(ctx, namespace, key)
		}
		s.gate.RUnlock()
		if !errors.Is(err, errLeft) {
			return item, err
		}
	}
}

// repair is recover in the turn of the slot.
func (s *Store) repair(ctx context.Context, v *view, slot int, namespace, key string) error {
	end, err := s.turn(ctx, slot)
	if err != nil {
		return err
	}
	defer end()
	return s.recover(ctx, v, namespace, key)
}

// GetAll implements store.BatchGetter.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	var far []int
	for i, key := range keys {
		item, err := s.get(ctx, placement.Slot(namespace, key), namespace, key)
		switch {
		case err == nil:
			items[i] = item
		case errors.Is(err, errLeft):
			far = append(far, i)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	return s.getFar(ctx, namespace, keys, far, items)
}
