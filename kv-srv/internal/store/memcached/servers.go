package memcached

import (
	"hash/crc32"
	"net"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

// servers spreads keys over servers as gomemcache's own list does. That list looks names
// up once, when it is made; here each new connection does.
type servers []address

var _ memcache.ServerSelector = servers(nil)

// address is a host:port that is not looked up yet.
type address string

// Network implements net.Addr.
func (address) Network() string { return "tcp" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

func newServers(hosts []string) servers {
	s := make(servers, len(hosts))
	for i, host := range hosts {
		s[i] = address(host)
	}
	return s
}

// PickServer implements memcache.ServerSelector.
func (s servers) PickServer(key string) (net.Addr, error) {
	return s[crc32.ChecksumIEEE([]byte(key))%uint32(len(s))], nil //nolint:gosec // a few hosts
}

// Each implements memcache.ServerSelector.
func (s servers) Each(f func(net.Addr) error) error {
	for _, a := range s {
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// of names the server of a key, or all of them for no key.
func (s servers) of(key string) string {
	if key != "" {
		a, _ := s.PickServer(key) // has no error
		return a.String()
	}
	var names []string
	for _, a := range s {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}
