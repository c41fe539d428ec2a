package etcd

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/alarm"
)

// change is one transaction on an item: conditions, what to do if all hold, and the
// answer to remember. It has five operations at most.
type change struct {
	key     string // of the item, in etcd
	when    []clientv3.Cmp
	do      []clientv3.Op
	request string // under which the sum is remembered; "": nowhere
	sum     int64
}

// outcome is what became of a change: an answer, of now or remembered, or the item that
// stood against it, nil for none.
type outcome struct {
	done    bool
	sum     int64
	version uint64
	item    *mvccpb.KeyValue
}

// apply does a change, if its request is not done yet.
func (s *Store) apply(ctx context.Context, c change) (outcome, error) {
	return ask(ctx, s, func(ctx context.Context, client *clientv3.Client) (outcome, error) {
		out, lease, err := s.transact(ctx, client, c)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) { // nothing was written
			s.requests.forget(lease)
			out, _, err = s.transact(ctx, client, c)
		}
		return out, err
	})
}

func (s *Store) transact(ctx context.Context, client *clientv3.Client, c change) (out outcome, lease clientv3.LeaseID, err error) {
	when, do, otherwise := c.when, c.do, []clientv3.Op{clientv3.OpGet(c.key)}
	if c.request != "" {
		if lease, err = s.requests.current(ctx, client); err != nil {
			return outcome{}, lease, err
		}
		when = append(when, unchanged(c.request, 0))
		do = append(do, clientv3.OpPut(c.request, strconv.FormatInt(c.sum, 10), clientv3.WithLease(lease)))
		otherwise = append(otherwise, clientv3.OpGet(c.request))
	}
	rsp, err := client.Txn(ctx).If(when...).Then(do...).Else(otherwise...).Commit()
	if err != nil {
		return outcome{}, lease, err
	}
	if rsp.Succeeded {
		return outcome{done: true, sum: c.sum, version: version(rsp.Header.GetRevision())}, lease, nil
	}
	out, err = found(rsp)
	return out, lease, err
}

// look reads what a change would meet.
func (s *Store) look(ctx context.Context, c change) (outcome, error) {
	return ask(ctx, s, func(ctx context.Context, client *clientv3.Client) (outcome, error) {
		gets := []clientv3.Op{clientv3.OpGet(c.key)}
		if c.request != "" {
			gets = append(gets, clientv3.OpGet(c.request))
		}
		rsp, err := client.Txn(ctx).Then(gets...).Commit()
		if err != nil {
			return outcome{}, err
		}
		return found(rsp)
	})
}

// found reads the item and the answer that a transaction has got.
func found(rsp *clientv3.TxnResponse) (outcome, error) {
	var got [2]*mvccpb.KeyValue
	for i, r := range rsp.Responses {
		if kvs := r.GetResponseRange().GetKvs(); len(kvs) > 0 {
			got[i] = kvs[0]
		}
	}
	item, answer := got[0], got[1]
	if answer == nil {
		return outcome{item: item}, nil
	}
	sum, err := strconv.ParseInt(string(answer.GetValue()), 10, 64)
	return outcome{done: true, sum: sum, version: version(answer.GetModRevision())}, err
}

// store returns what stores an item, and sees to its end.
func (s *Store) store(namespace string, item store.Item, now time.Time) ([]clientv3.Op, error) {
	record, err := encode(item)
	if err != nil {
		return nil, err
	}
	ops := []clientv3.Op{clientv3.OpPut(s.keys.item(namespace, item.Key), string(record))}
	if item.Expires.IsZero() {
		return ops, nil
	}
	at := alarm.Time(now, item.Expires)
	s.clock.Expect(at)
	return append(ops, clientv3.OpPut(s.keys.alarm(at, namespace, item.Key), "")), nil
}
