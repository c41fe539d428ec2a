package etcd

import (
	"context"
	"errors"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
)

// chunk is how many records are read at once, of 1 MiB at most.
const chunk = 64

// most is how many operations etcd takes in one transaction, unless --max-txn-ops says
// otherwise.
const most = 128

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
		return c.Get(ctx, s.keys.item(namespace, key))
	})
	if err != nil {
		return store.Item{}, err
	}
	if len(rsp.Kvs) == 0 {
		return store.Item{}, store.ErrNotFound
	}
	item, err := decode(key, rsp.Kvs[0])
	if err == nil && item.Expired(time.Now()) {
		return store.Item{}, store.ErrNotFound
	}
	return item, err
}

// GetAll implements store.BatchGetter. The items of one transaction are of one moment.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	for len(keys) > 0 {
		n := min(len(keys), most)
		if err := s.some(ctx, namespace, keys[:n], items); err != nil {
			return err
		}
		keys, items = keys[n:], items[n:]
	}
	return ctx.Err()
}

// some reads the items under at most so many keys.
func (s *Store) some(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	ops := make([]clientv3.Op, len(keys))
	for i, key := range keys {
		ops[i] = clientv3.OpGet(s.keys.item(namespace, key))
	}
	rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.TxnResponse, error) {
		return c.Txn(ctx).Then(ops...).Commit()
	})
	if err != nil {
		return err
	}
	now := time.Now()
	for i, op := range rsp.Responses {
		for _, kv := range op.GetResponseRange().GetKvs() { // one, or none
			item, err := decode(keys[i], kv)
			if err != nil {
				return err
			}
			if !item.Expired(now) {
				items[i] = item
			}
		}
	}
	return nil
}

// List implements store.Store. A page is a snapshot.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	page, err := s.list(ctx, namespace, q)
	if errors.Is(err, store.ErrCompacted) { // in the middle of the page
		return s.list(ctx, namespace, q)
	}
	return page, err
}

func (s *Store) list(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	var page store.Page
	first := s.keys.items(namespace)
	from, end := first+q.Prefix, clientv3.GetPrefixRangeEnd(first+q.Prefix)
	if q.After != "" {
		from = max(from, first+q.After+"\x00")
	}
	for room, more := q.MaxBytes, from < end; more; {
		rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
			n := min(chunk, q.Limit-len(page.Items)+1)
			return c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(int64(n)), clientv3.WithRev(revisionOf(page.Version)))
		})
		if err != nil {
			return store.Page{}, err
		}
		if page.Version == 0 {
			page.Version = version(rsp.Header.GetRevision())
		}
		now := time.Now()
		for _, kv := range rsp.Kvs {
			key := strings.TrimPrefix(string(kv.GetKey()), first)
			if strings.HasSuffix(key, mark) {
				continue
			}
			item, err := decode(key, kv)
			if err != nil {
				return store.Page{}, err
			}
			if item.Expired(now) {
				continue
			}
			if q.KeysOnly {
				item.Value = nil
			}
			room -= item.Size()
			if n := len(page.Items); n == q.Limit || n > 0 && room < 0 {
				page.More = true
				return page, nil
			}
			page.Items = append(page.Items, item)
		}
		if more = rsp.More; more {
			from = string(rsp.Kvs[len(rsp.Kvs)-1].GetKey()) + "\x00"
		}
	}
	if page.Version == 0 { // nothing to read
		revision, err := s.revision(ctx)
		page.Version = version(revision)
		return page, err
	}
	return page, nil
}
