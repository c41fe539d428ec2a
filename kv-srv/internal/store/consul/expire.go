package consul

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/alarm"
)

// ring answers the alarms that are due, and returns when to look again. What fails is
// tried again then; Ready says why.
func (s *Store) ring() time.Time {
	now := time.Now()
	due, next, err := s.due(s.ctx, s.keys.alarms(), now)
	if err != nil {
		return now.Add(alarm.Idle)
	}
	group := errgroup.Group{}
	group.SetLimit(hands)
	for _, a := range due {
		group.Go(func() error { return s.answer(a) })
	}
	if err := group.Wait(); err != nil {
		return time.Now().Add(alarm.Idle)
	}
	if len(due) > 0 {
		return now.Add(alarm.Tick)
	}
	return next
}

// due returns the alarms under a prefix that are due, step by step, and when to look again.
func (s *Store) due(ctx context.Context, prefix string, now time.Time) (due []string, next time.Time, err error) {
	next = now.Add(alarm.Idle)
	steps := strings.Count(strings.TrimPrefix(prefix, s.keys.alarms()), "/")
	separator := "/"
	if steps == 2 {
		separator = ""
	}
	names, err := s.names(ctx, prefix, separator)
	for _, name := range names {
		at, _, bad := s.keys.ringing(name)
		if bad != nil {
			continue
		}
		if when := time.UnixMilli(at); when.After(now) {
			if when.Before(next) {
				next = when
			}
			break
		}
		if steps == 2 {
			due = append(due, name)
			continue
		}
		more, when, err := s.due(ctx, name, now)
		if err != nil {
			return nil, next, err
		}
		due = append(due, more...)
		if when.Before(next) {
			next = when
		}
	}
	return due, next, err
}

// answer removes what is past its time, and the alarm. If somebody else has changed it
// meanwhile, the alarm stays.
func (s *Store) answer(name string) error {
	_, what, err := s.keys.ringing(name)
	if err != nil {
		return nil //nolint:nilerr // none of ours
	}
	quiet := &api.KVTxnOp{Verb: api.KVDelete, Key: name}
	words := strings.Split(what, "/")
	switch {
	case len(words) == 2 && words[0] == "r":
		_, _, err := s.transact(s.ctx, []*api.KVTxnOp{quiet, {Verb: api.KVDelete, Key: s.keys.root + what}})
		return err
	case len(words) == 3 && words[0] == "i":
		if key, err := keyOf(words[2]); err == nil {
			return s.expire(words[1], key, quiet)
		}
	}
	return nil
}

// expire removes an item that is past its time. Of one that is not, it sets the next alarm.
func (s *Store) expire(namespace, key string, quiet *api.KVTxnOp) error {
	at := s.keys.item(namespace, key)
	pairs, err := s.read(s.ctx, at)
	if err != nil {
		return err
	}
	there := pairs[0]
	if there == nil {
		_, _, err := s.transact(s.ctx, []*api.KVTxnOp{quiet, {Verb: api.KVCheckNotExists, Key: at}})
		return err
	}
	item, err := decode(key, there.ModifyIndex, there.Value)
	if err != nil {
		return err
	}
	now := time.Now()
	if item.Expired(now) {
		_, _, err := s.commit(s.ctx, namespace, entry{kind: store.Expired, key: key, grows: growth(item, nil)}, append(remove(there), quiet))
		return err
	}
	ops := []*api.KVTxnOp{quiet, {Verb: api.KVCheckIndex, Key: at, Index: there.ModifyIndex}}
	if !item.Expires.IsZero() {
		next := s.keys.alarm(alarm.Time(now, item.Expires), itemAlarm(namespace, key))
		if next == quiet.Key { // the item is new and ends in a moment
			return nil
		}
		ops = append(ops, &api.KVTxnOp{Verb: api.KVSet, Key: next})
	}
	_, _, err = s.transact(s.ctx, ops)
	return err
}
