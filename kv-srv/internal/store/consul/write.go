package consul

import (
	"context"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/alarm"
	"github.com/micro/platform/kv-srv/internal/store/change"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// do does a change, once if it has an ID. One whose condition holds no more is told so
// without its turn, which it would keep from those that can write.
func (s *Store) do(ctx context.Context, c change.Change) (request.Answer, error) {
	at := s.keys.item(c.Namespace, c.Key)
	end, err := s.items.Take(ctx, at)
	if err != nil {
		return request.Answer{}, err
	}
	if version, ok := s.versions.get(at); ok && c.Late(version) {
		end()
		if p, err := s.plan(ctx, c); p.done || err != nil {
			return p.answer, err
		} // else the item has ended, or Consul has begun anew
		if end, err = s.items.Take(ctx, at); err != nil {
			return request.Answer{}, err
		}
	}
	defer end()
	for {
		p, err := s.plan(ctx, c)
		s.versions.set(at, p.version)
		if p.done || err != nil {
			return p.answer, err
		}
		version, ok, err := s.commit(ctx, c.Namespace, p.entry, p.ops)
		if err != nil {
			return request.Answer{}, err
		}
		if ok {
			s.versions.set(at, p.after(version))
			return request.Answer{Sum: p.answer.Sum, Version: version}, nil
		}
	}
}

// plan is how to do a change to what was read just now, or the answer if it was done before.
type plan struct {
	done    bool
	version uint64 // of the item, 0 where there is none
	answer  request.Answer
	entry   entry
	ops     []*api.KVTxnOp
}

// after is the version of the item once the plan was done.
func (p *plan) after(version uint64) uint64 {
	if p.entry.kind == store.Put {
		return version
	}
	return 0
}

func (s *Store) plan(ctx context.Context, c change.Change) (plan, error) {
	name := c.Name()
	there, answer, err := s.look(ctx, s.keys.item(c.Namespace, c.Key), name)
	if err != nil {
		return plan{}, err
	}
	now := time.Now()
	was, err := whole(there, c.Key)
	if err != nil {
		return plan{}, err
	}
	item := living(was, now)
	p := plan{version: item.Version}
	if answer != nil {
		p.done, p.answer.Version = true, answer.ModifyIndex
		p.answer.Sum, err = strconv.ParseInt(string(answer.Value), 10, 64)
		return p, err
	}
	after, sum, err := c.To(item, now)
	if err != nil {
		return p, err
	}
	p.answer.Sum = sum
	p.entry, p.ops, err = s.replace(c.Namespace, c.Key, there, after, now)
	p.entry.grows = growth(was, after)
	p.ops = append(p.ops, s.remember(name, sum, now)...)
	return p, err
}

// look reads an item and the answer to a request, if it has an ID.
func (s *Store) look(ctx context.Context, at string, name request.Name) (item, answer *api.KVPair, err error) {
	names := []string{at}
	if name.Given {
		names = append(names, s.keys.answer(name))
	}
	pairs, err := s.read(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	if name.Given {
		answer = pairs[1]
	}
	return pairs[0], answer, nil
}

// whole is an item as it is stored, of version 0 where there is none.
func whole(pair *api.KVPair, key string) (store.Item, error) {
	if pair == nil {
		return store.Item{Key: key}, nil
	}
	return decode(key, pair.ModifyIndex, pair.Value)
}

// living is an item as callers see it.
func living(item store.Item, now time.Time) store.Item {
	if item.Expired(now) {
		return store.Item{Key: item.Key}
	}
	return item
}

// growth is by how much an item grows, which may be of version 0 before and nil after.
func growth(before store.Item, after *store.Item) (g holds) {
	if after != nil {
		g = weigh(*after)
	}
	if before.Version != 0 {
		g = g.minus(weigh(before))
	}
	return g
}

// replace returns what writes an item over what was read, or removes it if after is nil,
// and sees to its end.
func (s *Store) replace(namespace, key string, there *api.KVPair, after *store.Item, now time.Time) (entry, []*api.KVTxnOp, error) {
	if after == nil {
		return entry{kind: store.Deleted, key: key}, remove(there), nil
	}
	b, err := encode(*after)
	if err != nil {
		return entry{}, nil, err
	}
	op := &api.KVTxnOp{Verb: api.KVCAS, Key: s.keys.item(namespace, key), Value: b}
	if there != nil {
		op.Index = there.ModifyIndex
	}
	ops := []*api.KVTxnOp{op}
	if !after.Expires.IsZero() {
		at := alarm.Time(now, after.Expires)
		s.clock.Expect(at)
		ops = append(ops, &api.KVTxnOp{Verb: api.KVSet, Key: s.keys.alarm(at, itemAlarm(namespace, key))})
	}
	return entry{kind: store.Put, key: key, record: b}, ops, nil
}

// remove returns what removes what was read. Consul's delete-cas would succeed as well
// where somebody else has.
func remove(there *api.KVPair) []*api.KVTxnOp {
	return []*api.KVTxnOp{
		{Verb: api.KVCheckIndex, Key: there.Key, Index: there.ModifyIndex},
		{Verb: api.KVDelete, Key: there.Key},
	}
}

// remember returns what keeps the answer to a request for as long as it must, and somewhat
// longer.
func (s *Store) remember(name request.Name, sum int64, now time.Time) []*api.KVTxnOp {
	if !name.Given {
		return nil
	}
	at := now.Add(store.RequestMemory + time.Minute).UnixMilli()
	return []*api.KVTxnOp{
		{Verb: api.KVCAS, Key: s.keys.answer(name), Value: strconv.AppendInt(nil, sum, 10)},
		{Verb: api.KVSet, Key: s.keys.alarm(at, answerAlarm(name))},
	}
}
