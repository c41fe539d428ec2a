package discoveryserver

import (
	"net"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
)

const (
	registryVar = "DISCOVERY_REGISTRY"
	sizeVar     = "DISCOVERY_SIZE"
	shareVar    = "DISCOVERY_PRESERVE"
	roleVar     = "DISCOVERY_ROLE"
	sourceVar   = "DISCOVERY_SOURCE"
)

func settings() []setting.Setting {
	return []setting.Setting{{
		Name: registryVar, Default: "mdns:",
		Help: "the registry below: what is registered here appears there, and what others register there appears here: " + registries.Schemes,
	}, {
		Name: roleVar, Default: "all",
		Help: "all, or write to leave lookups and watchers to nodes that read, or read to serve these by following a node that writes",
	}, {
		Name: sourceVar,
		Help: "with DISCOVERY_ROLE=read: host:port of the write nodes, with commas between them, of which it follows one that answers",
	}, {
		Name: sizeVar, Default: "256MiB",
		Help: "bounds the memory of instances, some 1 KiB for each and what it says of itself; more are refused",
	}, {
		Name: shareVar, Default: "85%",
		Help: "share of the instances that must renew in time for any to be lost: if fewer do, and more than ten do not, " +
			"all stay for up to 15 minutes, since it is more likely that renewals do not arrive; 0% never keeps them",
	}}
}

const (
	minSize = 1 << 20
	maxSize = 1 << 40
)

// config is what settings say.
type config struct {
	below   registries.Config
	role    string
	sources []string
	size    int64
	share   float64
}

func readConfig(v *setting.Values) config {
	c := config{below: registries.ReadFrom(v, registryVar), size: v.Bytes(sizeVar, maxSize), share: readShare(v)}
	if c.size < minSize && c.size != 0 {
		v.Fail(sizeVar, "want 1MiB or more")
	}
	c.readRole(v)
	return c
}

func (c *config) readRole(v *setting.Values) {
	c.role, c.sources = v.String(roleVar), v.List(sourceVar)
	switch c.role {
	case "all", "write":
		if len(c.sources) > 0 {
			v.Fail(sourceVar, "only with %s=read", roleVar)
		}
	case "read":
		if len(c.sources) == 0 {
			v.Fail(sourceVar, "want host:port of a write node with %s=read", roleVar)
		}
		for _, s := range c.sources {
			if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
				v.Fail(sourceVar, "%q is not host:port", s)
			}
		}
	default:
		v.Fail(roleVar, "%q is none of all, write, read", c.role)
	}
}

func readShare(v *setting.Values) float64 {
	s := v.String(shareVar)
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !strings.HasSuffix(s, "%") || n < 0 || n > 100 {
		v.Fail(shareVar, "%q is no percentage from 0%% to 100%%", s)
	}
	return n / 100
}
