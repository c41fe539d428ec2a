package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/request"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, namespace string, w store.Write) (uint64, error) {
	if err := s.enlist(ctx, namespace); err != nil {
		return 0, err
	}
	absent := ""
	if w.IfAbsent {
		absent = "1"
	}
	return s.write(ctx, s.scripts.put, namespace, w.TTL, w.Key, encode(w.Metadata, w.Value), millis(w.TTL),
		absent, condition(w.IfVersion), name(request.Put, namespace, w.Key, w.RequestID))
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, namespace string, r store.Removal) error {
	_, err := s.write(ctx, s.scripts.del, namespace, 0, r.Key, condition(r.IfVersion),
		name(request.Delete, namespace, r.Key, r.RequestID))
	return err
}

// Increment implements store.Store.
func (s *Store) Increment(ctx context.Context, namespace string, a store.Addition) (int64, uint64, error) {
	if err := s.enlist(ctx, namespace); err != nil {
		return 0, 0, err
	}
	text, err := s.change(ctx, s.scripts.increment, namespace, a.TTL, a.Key, strconv.FormatInt(a.Delta, 10), millis(a.TTL),
		name(request.Increment, namespace, a.Key, a.RequestID))
	if err != nil {
		return 0, 0, err
	}
	first, second, _ := strings.Cut(text, " ")
	version, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, 0, s.strange(text)
	}
	sum, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return 0, 0, s.strange(text)
	}
	return sum, version, nil
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, namespace, key string, ttl time.Duration) (uint64, error) {
	return s.write(ctx, s.scripts.touch, namespace, ttl, key, millis(ttl))
}

// DeletePrefix implements store.Store.
func (s *Store) DeletePrefix(ctx context.Context, namespace, prefix string) (int, error) {
	deleted := 0
	for from, to := limits(prefix, ""); from != ""; {
		answer, err := s.run(ctx, s.scripts.deletePrefix, namespace, from, to)
		if err != nil {
			return deleted, s.meaning(ctx, err)
		}
		fields, _ := answer.([]any)
		if len(fields) != 2 {
			return deleted, s.strange(answer)
		}
		n, isInt := fields[0].(int64)
		next, isText := fields[1].(string)
		if !isInt || !isText {
			return deleted, s.strange(answer)
		}
		deleted, from = deleted+int(n), next
	}
	return deleted, nil
}

// write runs a script that answers with a version.
func (s *Store) write(ctx context.Context, sc script, namespace string, ttl time.Duration, args ...any) (uint64, error) {
	text, err := s.change(ctx, sc, namespace, ttl, args...)
	if err != nil {
		return 0, err
	}
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, s.strange(text)
	}
	return version, nil
}

// change runs a script that answers with text, or refuses by a number. An item may get a
// time to live by it, if that is not 0.
func (s *Store) change(ctx context.Context, sc script, namespace string, ttl time.Duration, args ...any) (string, error) {
	if err := s.register(ctx, namespace, ttl); err != nil {
		return "", s.meaning(ctx, err)
	}
	answer, err := s.run(ctx, sc, namespace, args...)
	if ttl > 0 {
		s.alarms.set(namespace, time.Now().Add(ttl))
	}
	if err != nil {
		return "", s.meaning(ctx, err)
	}
	switch answer := answer.(type) {
	case string:
		return answer, nil
	case int64:
		if refused := refusal(answer); refused != nil {
			return "", refused
		}
	}
	return "", s.strange(answer)
}

// refusal returns what a number of common.lua means.
func refusal(code int64) error {
	switch code {
	case 0:
		return store.ErrNotFound
	case -1:
		return store.ErrExists
	case -2:
		return store.ErrVersion
	case -3:
		return store.ErrNotNumber
	case -4:
		return store.ErrOverflow
	case -5:
		return store.ErrCompacted
	}
	return nil
}

func (s *Store) strange(answer any) error {
	return fmt.Errorf("%s: a script answered %.40q", s.where, fmt.Sprint(answer))
}

// condition is a version for a script, "" for none.
func condition(version uint64) string {
	if version == 0 {
		return ""
	}
	return strconv.FormatUint(version, 10)
}

// millis is a time to live for a script, rounded up. 0: none.
func millis(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Millisecond-1)/time.Millisecond), 10)
}

// name names a request for a script, "" for one without an ID.
func name(op request.Operation, namespace, key, id string) string {
	n := request.Of(op, namespace, key, id)
	if !n.Given {
		return ""
	}
	return string(n.Sum[:])
}
