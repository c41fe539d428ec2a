package below

import (
	"context"
	"errors"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/registries/record"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// look follows the registry. It belongs to one goroutine.
type look struct {
	below *Below
	write Write

	there map[key]entry
	byID  map[catalog.ID]map[key]struct{} // where an instance stands

	cut   bool      // the last list has failed
	doubt time.Time // until when what is missing may be put there again, after that
}

// key is a record.
type key struct{ name, node string }

type entry struct {
	id       catalog.ID
	instance *discoverypb.Instance
	by       peer // no owner: somebody else has put it there
	version  string
	missed   time.Time // since when lists are without it; zero: they are not
}

func (l *look) run(ctx context.Context) error {
	l.there, l.byID = map[key]entry{}, map[catalog.ID]map[key]struct{}{}
	for ctx.Err() == nil {
		watcher, changes := l.watch(ctx)
		l.follow(ctx, changes)
		if watcher != nil {
			watcher.Stop()
			for range changes { // until it has ended
			}
		}
	}
	return ctx.Err()
}

// watch returns what tells of changes, or nil where nothing does.
func (l *look) watch(ctx context.Context) (registry.Watcher, <-chan *registry.Result) {
	if !l.below.opts.Watches {
		return nil, nil
	}
	w, err := l.below.opts.Registry.Watch()
	if err != nil {
		l.below.told(err)
		return nil, nil
	}
	changes := make(chan *registry.Result)
	go func() { // ends with the watcher, of which run has the end
		defer close(changes)
		for {
			r, err := w.Next()
			if err != nil {
				return
			}
			select {
			case changes <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w, changes
}

// retry is how long after a watch that could not begin, or has ended, another one does.
const retry = time.Second

// follow looks at everything, and again and again, until the watch ends.
func (l *look) follow(ctx context.Context, changes <-chan *registry.Result) {
	l.all(ctx)
	tick := time.NewTicker(l.below.opts.Look)
	defer tick.Stop()
	var again <-chan time.Time
	if changes == nil && l.below.opts.Watches {
		again = time.After(retry)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			return
		case <-tick.C:
			l.all(ctx)
		case r, ok := <-changes:
			if !ok {
				changes, again = nil, time.After(retry)
				continue
			}
			l.change(ctx, r)
		}
	}
}

func (l *look) change(ctx context.Context, r *registry.Result) {
	if r == nil || r.Service == nil {
		return
	}
	for _, n := range r.Service.Nodes {
		k := key{r.Service.Name, n.Id}
		if r.Action != record.Delete {
			l.put(ctx, k, r.Service, n)
		} else if l.there[k].version == r.Service.Version {
			l.moved(ctx, k)
			l.drop(ctx, k)
		}
	}
}

// moved looks for the record of an instance that has left one name for the other: it stands
// there already, but changes of two names may be told in any order.
func (l *look) moved(ctx context.Context, from key) {
	e := l.there[from]
	if e.by.owner == "" {
		return
	}
	found, err := l.below.opts.Registry.GetService(moves(from.name))
	l.below.told(err)
	for _, s := range found {
		for _, n := range s.Nodes {
			if id, _, _, ok := decode(s, n); ok && id == e.id {
				l.put(ctx, key{s.Name, n.Id}, s, n)
			}
		}
	}
}

// all compares what is known with everything that is there. Where the registry does not
// answer, what is known stays.
func (l *look) all(ctx context.Context) {
	services, err := l.list(ctx)
	l.below.told(err)
	if err != nil {
		l.cut = true
		return
	}
	now := time.Now()
	if l.cut {
		l.cut, l.doubt = false, now.Add(renew+l.below.opts.Look)
	}
	there := map[key]bool{}
	for _, s := range services {
		for _, n := range s.Nodes {
			k := key{s.Name, n.Id}
			there[k] = true
			l.put(ctx, k, s, n)
		}
	}
	for k, e := range l.there {
		switch {
		case there[k]:
		case e.missed.IsZero() && (l.wait(e) > 0 || now.Before(l.doubt)):
			e.missed = now
			l.there[k] = e
		case now.Sub(e.missed) >= l.wait(e) && !now.Before(l.doubt):
			l.drop(ctx, k)
		}
	}
	l.below.looked.Store(true)
}

// wait is how long lists must be without a record before it is gone.
func (l *look) wait(e entry) time.Duration {
	switch o := l.below.opts; {
	case o.Keeps:
		return 0
	case o.Watches && e.by.owner != "":
		return renew // if its node has ended, it registers with another; else that says so
	default:
		return o.Look / 2 // an answer may have come too late for one of them
	}
}

// list returns all services with their nodes: some registries list names alone.
func (l *look) list(ctx context.Context) ([]*registry.Service, error) {
	listed, err := l.below.opts.Registry.ListServices()
	if err != nil {
		return nil, err
	}
	var all []*registry.Service
	asked := map[string]bool{}
	for _, s := range listed {
		switch {
		case len(s.Nodes) > 0:
			all = append(all, s)
			continue
		case asked[s.Name]:
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		asked[s.Name] = true
		found, err := l.below.opts.Registry.GetService(s.Name)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (l *look) put(ctx context.Context, k key, s *registry.Service, n *registry.Node) {
	id, i, by, ok := decode(s, n)
	if !ok {
		return
	}
	if old, known := l.there[k]; known && old.id != id {
		l.drop(ctx, k)
	}
	l.there[k] = entry{id: id, instance: i, by: by, version: s.Version}
	if l.byID[id] == nil {
		l.byID[id] = map[key]struct{}{}
	}
	l.byID[id][k] = struct{}{}
	l.tell(ctx, id)
}

func (l *look) drop(ctx context.Context, k key) {
	e, known := l.there[k]
	if !known {
		return
	}
	delete(l.there, k)
	delete(l.byID[e.id], k)
	if len(l.byID[e.id]) == 0 {
		delete(l.byID, e.id)
	}
	l.tell(ctx, e.id)
}

// tell says what stands there of an instance: while it moves to another name there are two
// records, of which the later one counts.
func (l *look) tell(ctx context.Context, id catalog.ID) {
	var latest *entry
	for k := range l.byID[id] {
		e := l.there[k]
		if latest == nil || e.instance.GetUpdateTime().AsTime().After(latest.instance.GetUpdateTime().AsTime()) {
			latest = &e
		}
	}
	l.below.note(id, latest)
	if latest == nil {
		l.write.Unseen(ctx, id)
		return
	}
	l.write.Seen(ctx, id, latest.instance, latest.by.owner == l.below.opts.Owner)
}
