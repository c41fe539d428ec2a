package etcd

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/micro/platform/kv-srv/internal/store/alarm"
)

// ring answers the alarms that are due, and returns when to look again. What fails is
// tried again then; Ready says why.
func (s *Store) ring() time.Time {
	from, now := s.keys.alarms(), time.Now()
	rsp, err := ask(s.ctx, s, func(ctx context.Context, c *clientv3.Client) (*clientv3.GetResponse, error) {
		return c.Get(ctx, from, clientv3.WithPrefix(), clientv3.WithLimit(batch))
	})
	if err != nil {
		return now.Add(alarm.Idle)
	}
	next, group := now.Add(alarm.Idle), errgroup.Group{}
	group.SetLimit(hands)
	for _, due := range rsp.Kvs {
		at, namespace, key, err := s.keys.ringing(string(due.GetKey()))
		if err != nil {
			continue
		}
		if when := time.UnixMilli(at); when.After(now) {
			if when.Before(next) {
				next = when
			}
			break
		}
		next = now.Add(alarm.Tick)
		group.Go(func() error { return s.answer(due, namespace, key) })
	}
	if err := group.Wait(); err != nil {
		return time.Now().Add(alarm.Idle)
	}
	return next
}

// answer removes an item that is past its time, and the alarm. Of an item that is not,
// it sets the next alarm. If somebody else has changed either, the alarm stays.
func (s *Store) answer(due *mvccpb.KeyValue, namespace, key string) error {
	at, now := s.keys.item(namespace, key), time.Now()
	mine := unchanged(string(due.GetKey()), due.GetModRevision())
	quiet := clientv3.OpDelete(string(due.GetKey()))
	out, err := s.expire(change{key: at, when: []clientv3.Cmp{mine, past(at, now)}, do: []clientv3.Op{quiet}})
	if err != nil || out.done {
		return err
	}
	c := change{key: at, when: []clientv3.Cmp{mine, unchanged(at, out.item.GetModRevision())}, do: []clientv3.Op{quiet}}
	if out.item != nil {
		item, err := decode(key, out.item)
		if err != nil {
			return err
		}
		if !item.Expires.IsZero() {
			next := s.keys.alarm(alarm.Time(now, item.Expires), namespace, key)
			if next == string(due.GetKey()) { // the item is new and ends in a moment
				return nil
			}
			c.do = append(c.do, clientv3.OpPut(next, ""))
		}
	}
	_, err = s.apply(s.ctx, c)
	return err
}

// expire adds to a change the removal of its item, with a mark for the watchers.
func (s *Store) expire(c change) (outcome, error) {
	return ask(s.ctx, s, func(ctx context.Context, client *clientv3.Client) (outcome, error) {
		lease, err := s.markers.current(ctx, client)
		if err != nil {
			return outcome{}, err
		}
		c.do = append(c.do, clientv3.OpPut(c.key+mark, "", clientv3.WithLease(lease)),
			clientv3.OpPut(s.keys.markOf(c.key), "", clientv3.WithLease(lease)), clientv3.OpDelete(c.key))
		out, _, err := s.transact(ctx, client, c)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			s.markers.forget(lease)
		}
		return out, err
	})
}
