package ring

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring/placement"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

func recordOfItem(namespace string, i store.Item) *ringpb.Record {
	return recordOf(memory.Copy{Namespace: namespace, Item: i})
}

// getFar reads those of some keys that this node cannot answer for at once.
func (s *Store) getFar(ctx context.Context, namespace string, keys []string, far []int, items []store.Item) error {
	type part struct {
		slot  int
		where []int
		read  *ringpb.Read
	}
	parts := map[int16]*part{}
	v := s.view.Load()
	for _, i := range far {
		slot := placement.Slot(namespace, keys[i])
		p := parts[v.Owner[slot]]
		if p == nil {
			p = &part{slot: slot, read: &ringpb.Read{Namespace: namespace}}
			parts[v.Owner[slot]] = p
		}
		p.where = append(p.where, i)
		p.read.Keys = append(p.read.Keys, keys[i])
	}
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, p := range parts {
		all.Go(func() {
			err := s.readSome(ctx, namespace, p.slot, p.read, func(j int, item store.Item) { items[p.where[j]] = item })
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// readSome reads keys that had one owner a moment ago. If they no longer have, it reads
// one by one.
func (s *Store) readSome(ctx context.Context, namespace string, slot int, r *ringpb.Read, set func(int, store.Item)) error {
	var items *ringpb.Items
	err := s.once(slot, func() error { return errMoved }, func(p *peer) error {
		a, err := p.ask(ctx, &ringpb.Call{Read: r})
		items = a.GetItems()
		return err
	})
	if err == nil && len(items.GetRecords()) == len(r.GetKeys()) {
		for i, rec := range items.GetRecords() {
			if rec.GetVersion() != 0 {
				set(i, itemOf(rec))
			}
		}
		return nil
	}
	for i, key := range r.GetKeys() {
		item, err := s.Get(ctx, namespace, key)
		switch {
		case err == nil:
			set(i, item)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	return nil
}

// List implements store.Store. A page has the items of each node as they were at a moment
// after it was asked for.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	var page store.Page
	err := s.together(ctx, func(ctx context.Context, v *view) error {
		l := &ringpb.List{
			View: v.id, Version: s.local.Version(), Namespace: namespace, Prefix: q.Prefix, After: q.After,
			Limit: int32(q.Limit), MaxBytes: int64(q.MaxBytes), KeysOnly: q.KeysOnly, //nolint:gosec // 1000 at most
		}
		parts, err := s.each(ctx, v, func() (*ringpb.Answer, error) {
			items, err := s.listHere(ctx, l)
			return &ringpb.Answer{Items: items}, err
		}, func() *ringpb.Call { return &ringpb.Call{List: l} })
		if err == nil {
			page = merge(parts, q)
		}
		return err
	})
	return page, err
}

// merge makes one page of those of all nodes.
func merge(parts []*ringpb.Answer, q store.Query) store.Page {
	var page store.Page
	var all []store.Item
	last := "" // what one part has not told of comes after it
	for _, part := range parts {
		items := part.GetItems()
		for _, r := range items.GetRecords() {
			all = append(all, itemOf(r))
		}
		if n := len(items.GetRecords()); items.GetMore() && n > 0 {
			if k := items.GetRecords()[n-1].GetKey(); last == "" || k < last {
				last = k
			}
		}
		if page.Version == 0 || items.GetVersion() < page.Version {
			page.Version = items.GetVersion()
		}
	}
	slices.SortFunc(all, func(a, b store.Item) int { return cmp.Compare(a.Key, b.Key) })
	size := 0
	for _, item := range all {
		size += item.Size()
		if n := len(page.Items); n == q.Limit || n > 0 && size > q.MaxBytes || last != "" && item.Key > last {
			page.More = true
			return page
		}
		page.Items = append(page.Items, item)
	}
	page.More = last != ""
	return page
}

// listHere lists what this node answers for in the view of who asks.
func (s *Store) listHere(ctx context.Context, l *ringpb.List) (*ringpb.Items, error) {
	v, err := s.serving(ctx, l.GetView())
	if err != nil {
		return nil, err
	}
	s.local.Advance(l.GetVersion())
	page, err := s.local.ListSlots(ctx, l.GetNamespace(), store.Query{
		Prefix: l.GetPrefix(), After: l.GetAfter(), Limit: int(l.GetLimit()), MaxBytes: int(l.GetMaxBytes()), KeysOnly: l.GetKeysOnly(),
	}, v.owns)
	if err != nil {
		return nil, err
	}
	if !s.serves(v) { // it may have lost some meanwhile
		return nil, errMoved
	}
	items := &ringpb.Items{More: page.More, Version: page.Version}
	for _, item := range page.Items {
		items.Records = append(items.Records, recordOfItem(l.GetNamespace(), item))
	}
	return items, nil
}

// serving waits until this node may answer for its keys in a view, or returns errMoved if
// it has another.
func (s *Store) serving(ctx context.Context, id uint64) (*view, error) {
	for {
		rung := s.bell.wait()
		v := s.view.Load()
		if v.id != id {
			return nil, errMoved
		}
		if v.serves(s.leaseClock()) {
			return v, nil
		}
		if err := s.pause(ctx, rung, lastPause); err != nil {
			return nil, err
		}
	}
}

func (s *Store) serves(v *view) bool { return s.view.Load() == v && v.serves(s.leaseClock()) }

// together does what all nodes must do in one view, until it is done in one.
func (s *Store) together(ctx context.Context, do func(context.Context, *view) error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rung := s.bell.wait()
		err := s.tryTogether(ctx, do)
		if !errors.Is(err, errMoved) && !errors.Is(err, errUnsent) && !errors.Is(err, errBroken) && !errors.Is(err, errTimeout) && !errors.Is(err, errLeft) {
			return err
		}
		if err := s.pause(ctx, rung, pause); err != nil {
			return err
		}
	}
}

func (s *Store) tryTogether(ctx context.Context, do func(context.Context, *view) error) error {
	v := s.view.Load()
	if weight, _ := v.weight(); weight == 0 {
		return errMoved
	}
	return do(ctx, v)
}

// each calls every node of a view that answers for keys, and returns their answers, or
// one of the errors.
func (s *Store) each(ctx context.Context, v *view, here func() (*ringpb.Answer, error), call func() *ringpb.Call) ([]*ringpb.Answer, error) {
	answers := make([]*ringpb.Answer, len(v.members))
	errs := make([]error, len(v.members))
	var all sync.WaitGroup
	for i, m := range v.members {
		if !m.answers() {
			continue
		}
		all.Go(func() {
			if int16(i) == v.self { //nolint:gosec // a ring is small
				answers[i], errs[i] = here()
				return
			}
			p := s.peer(m.name)
			if p == nil {
				errs[i] = errUnsent
				return
			}
			c := call()
			c.Timeout = timeout(ctx)
			if answers[i], errs[i] = p.calls.do(ctx, v.left, c); errs[i] == nil {
				errs[i] = outcome(answers[i])
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(answers, func(a *ringpb.Answer) bool { return a == nil }), nil
}
