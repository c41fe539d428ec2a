package etcd

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// batch is how many keys are read at once to remove what they name, and hands how many
// removals are under way. Each is a transaction, since each has a version of its own.
const (
	batch = 512
	hands = 16
)

// DeletePrefix implements store.Store.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	var deleted atomic.Int64
	from := s.keys.item(namespace, prefix)
	for end := clientv3.GetPrefixRangeEnd(from); ; {
		rsp, err := ask(ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
			return c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(batch), clientv3.WithKeysOnly())
		})
		if err != nil {
			return int(deleted.Load()), err
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(hands)
		for _, kv := range rsp.Kvs {
			key := string(kv.GetKey())
			if strings.HasSuffix(key, mark) {
				continue
			}
			group.Go(func() error {
				out, err := s.apply(ctx, change{
					key: key, when: []clientv3.Cmp{living(key, time.Now())}, do: []clientv3.Op{clientv3.OpDelete(key)},
				})
				if out.done {
					deleted.Add(1)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil || !rsp.More {
			return int(deleted.Load()), err
		}
		from = string(rsp.Kvs[len(rsp.Kvs)-1].GetKey()) + "\x00"
	}
}
