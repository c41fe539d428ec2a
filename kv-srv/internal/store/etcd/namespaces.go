package etcd

import (
	"context"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
)

// lately is names that were seen in the last minute. The zero value is ready.
type lately struct {
	mu    sync.Mutex
	names map[string]bool
	until time.Time
}

// maxLately is how many names are remembered.
const maxLately = 10000

func (l *lately) saw(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names[name] && time.Now().Before(l.until)
}

func (l *lately) see(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Before(l.until) || len(l.names) >= maxLately {
		l.names, l.until = make(map[string]bool), now.Add(time.Minute)
	}
	l.names[name] = true
}

// enlist puts a namespace into the index before an item is made in it: etcd finds the
// first key after another only by counting all that follow.
func (s *Store) enlist(ctx context.Context, namespace string) error {
	if s.enlisted.saw(namespace) {
		return nil
	}
	at := s.keys.namespace(namespace)
	_, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.TxnResponse, error) {
		return c.Txn(ctx).If(unchanged(at, 0)).Then(clientv3.OpPut(at, "")).Commit()
	})
	if err == nil {
		s.enlisted.see(namespace)
	}
	return err
}

// Namespaces implements store.Store. etcd counts their keys in its memory, one by one, and
// nobody their bytes.
func (s *Store) Namespaces(ctx context.Context, q store.NamespaceQuery) (page store.NamespacePage, err error) {
	first := s.keys.namespace("")
	from, end := first+q.From, clientv3.GetPrefixRangeEnd(first)
	if q.To != "" {
		end = first + q.To
	}
	for more := from < end; more; {
		rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
			n := min(most/2, q.Limit-len(page.Namespaces)+1)
			return c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(int64(n)), clientv3.WithKeysOnly())
		})
		if err != nil {
			return store.NamespacePage{}, err
		}
		names := make([]string, len(rsp.Kvs))
		for i, kv := range rsp.Kvs {
			names[i] = strings.TrimPrefix(string(kv.GetKey()), first)
		}
		counts, err := s.count(ctx, names)
		if err != nil {
			return store.NamespacePage{}, err
		}
		for i, name := range names {
			if counts[i] == 0 {
				continue
			}
			if page.More = len(page.Namespaces) == q.Limit; page.More {
				return page, nil
			}
			page.Namespaces = append(page.Namespaces, store.Namespace{Name: name, Keys: counts[i], Bytes: -1})
		}
		if more = rsp.More; more {
			from = string(rsp.Kvs[len(rsp.Kvs)-1].GetKey()) + "\x00"
		}
	}
	return page, ctx.Err()
}

// count returns how many items each of some namespaces holds, of half as many as a
// transaction has operations at most. Their marks are among the keys of the items.
func (s *Store) count(ctx context.Context, namespaces []string) ([]int64, error) {
	if len(namespaces) == 0 {
		return nil, nil
	}
	ops := make([]clientv3.Op, 0, 2*len(namespaces))
	for _, namespace := range namespaces {
		for _, prefix := range []string{s.keys.items(namespace), s.keys.marks(namespace)} {
			ops = append(ops, clientv3.OpGet(prefix, clientv3.WithPrefix(), clientv3.WithCountOnly()))
		}
	}
	rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.TxnResponse, error) {
		return c.Txn(ctx).Then(ops...).Commit()
	})
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(namespaces))
	for i := range counts {
		counts[i] = rsp.Responses[2*i].GetResponseRange().GetCount() - rsp.Responses[2*i+1].GetResponseRange().GetCount()
	}
	return counts, nil
}
