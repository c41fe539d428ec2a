// Package registries opens the registry that a URL names.
package registries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/registries/consul"
	"github.com/micro/platform/internal/registries/etcd"
	"github.com/micro/platform/internal/registries/nats"
	"github.com/micro/platform/internal/registries/servers"
	"github.com/micro/platform/internal/setting"
)

// registryVar says which one.
const registryVar = "PLATFORM_REGISTRY"

// Schemes explains the URLs of registries.
const Schemes = "mdns:, memory: (this process alone), " +
	"etcd://[user:password@]a:2379,b:2379, consul://[:token@]host:8500 or nats://[user:password@]a:4222,b:4222; " +
	"these three take ?tls=true&ca=FILE&cert=FILE&key=FILE"

// Settings are those that say where services find each other.
func Settings() []setting.Setting {
	return []setting.Setting{
		{Name: registryVar, Default: "mdns:", Help: "where services find each other: discovery://host:8104,host:8104 (nodes of discovery-srv), " + Schemes},
		{Name: "PLATFORM_MDNS", Default: "loopback", Help: "lan uses services of other machines that mdns: finds; anyone on the network can answer mDNS"},
	}
}

// Config is what Settings say.
type Config struct {
	URL *url.URL
	LAN bool // mdns: uses nodes of other machines

	servers   servers.Servers
	discovery discovery
}

// Read notes in v what is wrong.
func Read(v *setting.Values) Config { return read(v, registryVar, true) }

// ReadFrom is Read for another setting that names a registry, which discovery is not.
func ReadFrom(v *setting.Values, variable string) Config { return read(v, variable, false) }

func read(v *setting.Values, variable string, above bool) Config {
	c := Config{URL: v.URL(variable)}
	if c.URL.Scheme != "" { // an empty one is told already
		if err := c.parse(above); err != nil {
			v.Fail(variable, "%w", err)
		}
	}
	switch s := v.String("PLATFORM_MDNS"); s {
	case "loopback":
	case "lan":
		c.LAN = true
	default:
		v.Fail("PLATFORM_MDNS", "%q is neither loopback nor lan", s)
	}
	return c
}

func (c *Config) parse(above bool) (err error) {
	u := c.URL
	if above && u.Scheme == "discovery" {
		c.discovery, err = parseDiscovery(u)
		return err
	}
	switch u.Scheme {
	case "memory", "mdns":
		if u.String() != u.Scheme+":" {
			return fmt.Errorf("%s: takes nothing behind it", u.Scheme)
		}
		return nil
	case "etcd", "consul", "nats":
		if c.servers, err = servers.Parse(u); err != nil {
			return err
		}
	default:
		have := "mdns, memory, etcd, consul, nats"
		if above {
			have = "discovery, " + have
		}
		return fmt.Errorf("no registry for scheme %q (have %s)", u.Scheme, have)
	}
	return allowed(u.Scheme, c.servers)
}

// allowed refuses what a registry has no use for.
func allowed(scheme string, s servers.Servers) error {
	switch {
	case scheme == "consul" && len(s.Hosts) > 1:
		return errors.New("consul: want one host, whose agent knows the others")
	case scheme == "consul" && s.User != "":
		return errors.New("consul: want :token@ before the host, or nothing")
	case scheme != "consul" && (s.User == "") != (s.Password == ""):
		return fmt.Errorf("%s: want user:password@ before the hosts, or neither", scheme)
	}
	return nil
}

// Open returns the registry of a config that Read has found right. Servers that are away
// it waits for; see Remote. Discovery is called by TLS unless secure is nil. The caller
// closes what is an io.Closer.
func Open(ctx context.Context, c Config, secure *certs.Source, log *slog.Logger) (registry.Registry, error) {
	if c.URL.Scheme == "discovery" {
		return c.discovery.open(secure, log), nil
	}
	r, err := OpenBare(ctx, c, log)
	if err != nil || !c.Remote() {
		return r, err
	}
	return newRemote(r, log), nil
}

// Remote tells of a registry on servers, which keep what is registered when this process is
// lost, and may be away.
func (c *Config) Remote() bool {
	return c.URL.Scheme == "etcd" || c.URL.Scheme == "nats" || c.URL.Scheme == "consul"
}

// OpenBare is Open for who minds that servers are away: then calls fail.
func OpenBare(ctx context.Context, c Config, log *slog.Logger) (registry.Registry, error) {
	l := registry.Logger(microlog.New(log))
	switch c.URL.Scheme {
	case "memory":
		return registry.NewMemoryRegistry(l), nil
	case "etcd":
		return etcd.Open(ctx, c.servers), nil
	case "nats":
		return nats.Open(ctx, c.servers), nil
	case "consul":
		r, err := consul.Open(ctx, c.servers)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", c.URL.Redacted(), err)
		}
		return r, nil
	}
	if c.LAN {
		return registry.NewMDNSRegistry(l), nil
	}
	return &loopback{registry.NewMDNSRegistry(l)}, nil
}
