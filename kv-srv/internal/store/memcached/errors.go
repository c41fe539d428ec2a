package memcached

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/micro/platform/kv-srv/internal/store"
)

// errChanged is the answer to a write that somebody else was faster than.
var errChanged = errors.New("the record changed")

// What memcached answers to a write that it has no room for, at the moment or at all.
// gomemcache has no error of its own for either, but quotes the answer.
const (
	tooLarge = "SERVER_ERROR object too large for cache"
	noMemory = "SERVER_ERROR out of memory"
)

// meaning is what an error of gomemcache means. One that says that a connection is broken
// is true of all that were idle then: they are closed, so that it is met once.
func (s *Store) meaning(key string, err error) error {
	switch {
	case err == nil, errors.Is(err, memcache.ErrCacheMiss):
		return err
	case errors.Is(err, memcache.ErrCASConflict), errors.Is(err, memcache.ErrNotStored):
		return errChanged
	}
	where := "memcached at " + s.servers.of(key)
	switch said := err.Error(); {
	case strings.Contains(said, tooLarge):
		return &store.LimitError{
			Backend: "memcached", Field: "value",
			Limit: "1 MiB less some hundred bytes, with key and metadata, unless -I says otherwise",
		}
	case strings.Contains(said, noMemory):
		return fmt.Errorf("%s: %w: %w", where, store.ErrFull, err)
	}
	if broken(err) {
		_ = s.client.Close() // what matters is the error that led here
	}
	return fmt.Errorf("%s: %w", where, err)
}

// broken tells whether a connection has failed that was there.
func broken(err error) bool {
	var connect *memcache.ConnectTimeoutError
	var network *net.OpError
	return !errors.As(err, &connect) && (!errors.As(err, &network) || network.Op != "dial")
}
