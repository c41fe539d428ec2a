package redis

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/kv-srv/internal/store"
)

// Get implements store.Store. Redis itself has forgotten an item that is past its time.
func (s *Store) Get(ctx context.Context, namespace, key string) (store.Item, error) {
	inner, cancel, err := hurry(ctx)
	if err != nil {
		return store.Item{}, err
	}
	defer cancel()
	b, err := s.client.Get(inner, itemKey(namespace, key)).Bytes()
	if errors.Is(err, redis.Nil) {
		return store.Item{}, store.ErrNotFound
	}
	if err != nil {
		return store.Item{}, s.meaning(ctx, err)
	}
	return decode(key, b)
}

// GetAll implements store.BatchGetter. The items are of one moment. In a cluster all keys of
// a namespace are in one slot.
func (s *Store) GetAll(ctx context.Context, namespace string, keys []string, items []store.Item) error {
	if len(keys) == 0 {
		return ctx.Err()
	}
	inner, cancel, err := hurry(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = itemKey(namespace, key)
	}
	answers, err := s.client.MGet(inner, names...).Result()
	if err != nil {
		return s.meaning(ctx, err)
	}
	if len(answers) != len(keys) {
		return s.strange(answers)
	}
	for i, answer := range answers {
		record, there := answer.(string)
		if !there {
			continue
		}
		if items[i], err = decode(keys[i], []byte(record)); err != nil {
			return err
		}
	}
	return nil
}

// List implements store.Store. What one call of the script finds is of one moment.
func (s *Store) List(ctx context.Context, namespace string, q store.Query) (store.Page, error) {
	var page store.Page
	from, to := limits(q.Prefix, q.After)
	names := ""
	if q.KeysOnly {
		names = "1"
	}
	for room, more := q.MaxBytes, int64(unknown); more == unknown; {
		answer, err := s.run(ctx, s.scripts.list, namespace, from, to, q.Limit, room, names, len(page.Items))
		if err != nil {
			return store.Page{}, s.meaning(ctx, err)
		}
		found, err := s.found(answer)
		if err != nil {
			return store.Page{}, err
		}
		if page.Version == 0 {
			page.Version = found.version
		}
		for _, item := range found.items {
			room -= item.Size()
		}
		page.Items = append(page.Items, found.items...)
		from, more = found.position, found.more
		page.More = more == 1
	}
	return page, nil
}

// unknown says that the script has looked at many keys and there may be others.
const unknown = 2

// found is what list.lua answers.
type found struct {
	version  uint64
	more     int64
	position string
	items    []store.Item
}

func (s *Store) found(answer any) (found, error) {
	fields, _ := answer.([]any)
	if len(fields) < 3 || len(fields)%2 == 0 {
		return found{}, s.strange(answer)
	}
	version, _ := fields[0].(string)
	more, isInt := fields[1].(int64)
	position, isText := fields[2].(string)
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil || !isInt || !isText {
		return found{}, s.strange(answer)
	}
	f := found{version: n, more: more, position: position}
	for i := 3; i < len(fields); i += 2 {
		key, _ := fields[i].(string)
		record, _ := fields[i+1].(string)
		item, err := decode(key, []byte(record))
		if err != nil {
			return found{}, err
		}
		f.items = append(f.items, item)
	}
	return f, nil
}

// limits returns the range of the keys under a prefix and after a key, as ZRANGEBYLEX
// takes it. UTF-8 has no byte 0xff.
func limits(prefix, after string) (from, to string) {
	from, to = "["+prefix, "("+prefix+"\xff"
	if after >= prefix && after != "" {
		from = "(" + after
	}
	return from, to
}
