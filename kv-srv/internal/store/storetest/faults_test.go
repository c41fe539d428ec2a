package storetest_test

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

// faults are stores that break one promise, by what they do, and the test that must
// notice.
var faults = map[string]struct {
	test string
	open func(store.Store) store.Store
}{
	"forgets requests": {"Request/Put", onPut(func(s store.Store, ctx context.Context, ns string, w store.Write) (uint64, error) {
		w.RequestID = ""
		return s.Put(ctx, ns, w)
	})},
	"takes requests of one ID for one": {"Request/OtherKey", onPut(func(s store.Store, ctx context.Context, ns string, w store.Write) (uint64, error) {
		if w.RequestID != "" && w.Key == "b" {
			return 1, nil
		}
		return s.Put(ctx, ns, w)
	})},
	"checks before it writes": {"Concurrency/Counter", onPut(func(s store.Store, ctx context.Context, ns string, w store.Write) (uint64, error) {
		item, err := s.Get(ctx, ns, w.Key)
		if w.IfVersion != 0 && (err != nil || item.Version != w.IfVersion) {
			return 0, store.ErrVersion
		}
		w.IfVersion = 0
		time.Sleep(time.Millisecond)
		return s.Put(ctx, ns, w)
	})},
	"keeps the time to live": {"Expiry/Expires", onPut(func(s store.Store, ctx context.Context, ns string, w store.Write) (uint64, error) {
		if w.TTL == 0 {
			w.TTL = time.Hour
		}
		return s.Put(ctx, ns, w)
	})},
	"says it expires and serves it": {"Expiry/NotServed", func(s store.Store) store.Store { return immortal{s} }},
	"reads before it adds":          {"Increment/Concurrent", func(s store.Store) store.Store { return racyAdder{s} }},
	"sorts what it gets":            {"GetAll/Order", func(s store.Store) store.Store { return sorter{s} }},
	"stops at what it refuses":      {"PutAll/Refused", func(s store.Store) store.Store { return quitter{s} }},
	"reads from a replica":          {"Concurrency/Linearizable", func(s store.Store) store.Store { return &stale{Store: s} }},
	"takes * for any":               {"List/Prefix", func(s store.Store) store.Store { return globber{s} }},
	"deletes the page's neighbours": {"DeletePrefix/Counts", func(s store.Store) store.Store { return sloppyDeleter{s} }},
	"lists of a version to come":    {"Watch/FromPage", onPage(func(p *store.Page) { p.Version += 20 })},
	"never has more":                {"List/Paging", onPage(func(p *store.Page) { p.More = false })},
	"never has more namespaces":     {"Namespaces/Many", onNamespaces(func(p *store.NamespacePage, _ store.NamespaceQuery) { p.More = false })},
	"always has more namespaces": {"Namespaces/Paging", onNamespaces(func(p *store.NamespacePage, q store.NamespaceQuery) {
		p.More = len(p.Namespaces) == q.Limit
	})},
	"sorts namespaces as paths": {"Namespaces/Order", onNamespaces(func(p *store.NamespacePage, _ store.NamespaceQuery) {
		slices.SortFunc(p.Namespaces, func(a, b store.Namespace) int { return strings.Compare(a.Name+".", b.Name+".") })
	})},
	"knows no end of a name":             {"Namespaces/Paging", func(s store.Store) store.Store { return endless{s} }},
	"counts writes, not items":           {"Namespaces/Figures", func(s store.Store) store.Store { return &writeCounter{Store: s} }},
	"counts values alone":                {"Namespaces/Figures", onNamespaces(func(p *store.NamespacePage, _ store.NamespaceQuery) { lighten(p) })},
	"keeps namespaces that are empty":    {"Namespaces/Gone", func(s store.Store) store.Store { return &hoarder{Store: s} }},
	"keeps namespaces whose items ended": {"Namespaces/Expired", func(s store.Store) store.Store { return &hoarder{Store: s} }},
	"knows what was put alone":           {"Namespaces/Increment", func(s store.Store) store.Store { return &hoarder{Store: s, strict: true} }},
	"loses an event":                     {"Watch/Concurrent", onEvent(func(n int) int { return min((n+1)%50, 1) })},
	"repeats an event":                   {"Watch/Concurrent", onEvent(func(n int) int { return 1 + (n+1)%50/49 })},
	"begins in silence":                  {"Watch/FromEmptyPage", onEvent(func(n int) int { return min(n, 1) })},
	"watches from now on": {"Watch/Replay", onWatch(func(s store.Store, ctx context.Context, ns, prefix string, _ uint64, emit func(store.Event) error) error {
		return s.Watch(ctx, ns, prefix, 0, emit)
	})},
	"ends without a word": {"Watch/ContextEnds", onWatch(func(s store.Store, ctx context.Context, ns, prefix string, from uint64, emit func(store.Event) error) error {
		err := s.Watch(ctx, ns, prefix, from, emit)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})},
}

type putter struct {
	store.Store
	put func(store.Store, context.Context, string, store.Write) (uint64, error)
}

func onPut(put func(store.Store, context.Context, string, store.Write) (uint64, error)) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return putter{s, put} }
}

func (p putter) Put(ctx context.Context, ns string, w store.Write) (uint64, error) {
	return p.put(p.Store, ctx, ns, w)
}

type immortal struct{ store.Store }

func (i immortal) Get(ctx context.Context, ns, key string) (store.Item, error) {
	item, err := i.Store.Get(ctx, ns, key)
	if !item.Expires.IsZero() {
		item.Expires = item.Expires.Add(-300 * time.Millisecond)
	}
	return item, err
}

type racyAdder struct{ store.Store }

func (r racyAdder) Increment(ctx context.Context, ns string, a store.Addition) (int64, uint64, error) {
	sum, _, err := r.Store.Increment(ctx, ns, store.Addition{Key: a.Key})
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(100 * time.Microsecond)
	if err := r.Delete(ctx, ns, store.Removal{Key: a.Key}); err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, 0, err
	}
	return r.Store.Increment(ctx, ns, store.Addition{Key: a.Key, Delta: sum + a.Delta})
}

type stale struct {
	store.Store
	calls atomic.Int64
	first atomic.Pointer[store.Item]
}

func (s *stale) Get(ctx context.Context, ns, key string) (store.Item, error) {
	if old := s.first.Load(); old != nil && old.Key == key && s.calls.Add(1)%10 == 0 {
		return *old, nil
	}
	item, err := s.Store.Get(ctx, ns, key)
	if err == nil {
		s.first.CompareAndSwap(nil, &item)
	}
	return item, err
}

type globber struct{ store.Store }

func (g globber) List(ctx context.Context, ns string, q store.Query) (store.Page, error) {
	pattern := q.Prefix + "*"
	q.Prefix = ""
	page, err := g.Store.List(ctx, ns, q)
	var found []store.Item
	for _, item := range page.Items {
		if ok, _ := path.Match(pattern, item.Key); ok {
			found = append(found, item)
		}
	}
	page.Items = found
	return page, err
}

type sloppyDeleter struct{ store.Store }

func (s sloppyDeleter) DeletePrefix(ctx context.Context, ns, prefix string) (int, error) {
	return s.Store.DeletePrefix(ctx, ns, strings.TrimSuffix(prefix, "/"))
}

type pager struct {
	store.Store
	change func(*store.Page)
}

func onPage(change func(*store.Page)) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return pager{s, change} }
}

func (p pager) List(ctx context.Context, ns string, q store.Query) (store.Page, error) {
	page, err := p.Store.List(ctx, ns, q)
	p.change(&page)
	return page, err
}

type namespaceLister struct {
	store.Store
	change func(*store.NamespacePage, store.NamespaceQuery)
}

func onNamespaces(change func(*store.NamespacePage, store.NamespaceQuery)) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return namespaceLister{s, change} }
}

func (l namespaceLister) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	page, err := l.Store.Namespaces(ctx, q)
	l.change(&page, q)
	return page, err
}

func lighten(p *store.NamespacePage) {
	for i := range p.Namespaces {
		p.Namespaces[i].Bytes -= p.Namespaces[i].Keys
	}
}

// endless lists all that follows the first name.
type endless struct{ store.Store }

func (e endless) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	if !strings.HasSuffix(q.To, "~") {
		q.To = ""
	}
	return e.Store.Namespaces(ctx, q)
}

// writeCounter counts each Put.
type writeCounter struct {
	store.Store
	puts atomic.Int64
}

func (c *writeCounter) Put(ctx context.Context, ns string, w store.Write) (uint64, error) {
	version, err := c.Store.Put(ctx, ns, w)
	if err == nil {
		c.puts.Add(1)
	}
	return version, err
}

func (c *writeCounter) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	page, err := c.Store.Namespaces(ctx, q)
	for i := range page.Namespaces {
		page.Namespaces[i].Keys = c.puts.Load()
	}
	return page, err
}

// hoarder lists the namespaces that were put to: those as well that are empty, or, if it is
// strict, no others.
type hoarder struct {
	store.Store
	strict bool
	mu     sync.Mutex
	names  map[string]bool
}

func (h *hoarder) Put(ctx context.Context, ns string, w store.Write) (uint64, error) {
	version, err := h.Store.Put(ctx, ns, w)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		h.names = map[string]bool{}
	}
	if err == nil {
		h.names[ns] = true
	}
	return version, err
}

func (h *hoarder) Namespaces(ctx context.Context, q store.NamespaceQuery) (store.NamespacePage, error) {
	page, err := h.Store.Namespaces(ctx, store.NamespaceQuery{From: q.From, To: q.To, Limit: 1 << 20})
	h.mu.Lock()
	defer h.mu.Unlock()
	put := func(n store.Namespace) bool { return h.names[n.Name] }
	if h.strict {
		page.Namespaces = slices.DeleteFunc(page.Namespaces, func(n store.Namespace) bool { return !put(n) })
	} else {
		page.Namespaces = slices.DeleteFunc(page.Namespaces, put)
		for name := range h.names {
			if name >= q.From && (q.To == "" || name < q.To) {
				page.Namespaces = append(page.Namespaces, store.Namespace{Name: name})
			}
		}
	}
	slices.SortFunc(page.Namespaces, func(a, b store.Namespace) int { return strings.Compare(a.Name, b.Name) })
	if page.More = len(page.Namespaces) > q.Limit; page.More {
		page.Namespaces = page.Namespaces[:q.Limit]
	}
	return page, err
}

type watcher struct {
	store.Store
	watch func(store.Store, context.Context, string, string, uint64, func(store.Event) error) error
}

func onWatch(watch func(store.Store, context.Context, string, string, uint64, func(store.Event) error) error) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return watcher{s, watch} }
}

func (w watcher) Watch(ctx context.Context, ns, prefix string, from uint64, emit func(store.Event) error) error {
	return w.watch(w.Store, ctx, ns, prefix, from, emit)
}

// onEvent emits the nth event of a watch as often as times says.
func onEvent(times func(n int) int) func(store.Store) store.Store {
	return onWatch(func(s store.Store, ctx context.Context, ns, prefix string, from uint64, emit func(store.Event) error) error {
		n := -1
		return s.Watch(ctx, ns, prefix, from, func(e store.Event) error {
			n++
			for range times(n) {
				if err := emit(e); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// refuse is what a backend without an index answers.
func refuse() error {
	return &store.UnsupportedError{Backend: "listless", Op: "list", Have: []string{"memory"}}
}

type listless struct {
	store.Store
	err error
}

func (l listless) List(context.Context, string, store.Query) (store.Page, error) {
	return store.Page{}, l.err
}

func openListless(t *testing.T) store.Store { return listless{openMemory(t), refuse()} }

func openTerse(t *testing.T) store.Store {
	return listless{openMemory(t), &store.UnsupportedError{}}
}

// small is a backend that takes no large values.
type small struct {
	store.Store
	err error
}

func (s small) Put(ctx context.Context, ns string, w store.Write) (uint64, error) {
	if len(w.Value) > 1<<19 {
		return 0, s.err
	}
	return s.Store.Put(ctx, ns, w)
}

func openSmall(t *testing.T) store.Store {
	return small{openMemory(t), &store.LimitError{Backend: "small", Field: "value", Limit: "512 KiB"}}
}

func openVague(t *testing.T) store.Store { return small{openMemory(t), &store.LimitError{}} }

// quitter does no write after one that is refused.
type quitter struct{ store.Store }

func (q quitter) PutAll(ctx context.Context, ns string, writes []store.Write) ([]store.Written, error) {
	all := make([]store.Written, len(writes))
	for i, refused := 0, false; i < len(writes) && !refused; i++ {
		all[i].Version, all[i].Err = q.Put(ctx, ns, writes[i])
		refused = all[i].Err != nil
	}
	return all, nil
}

// sorter returns items in the order of their keys.
type sorter struct{ store.Store }

func (s sorter) GetAll(ctx context.Context, ns string, keys []string, items []store.Item) error {
	return store.GetAll(ctx, s.Store, ns, slices.Sorted(slices.Values(keys)), items)
}
