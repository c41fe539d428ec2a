package discoveryserver

import (
	"strconv"
	"strings"

	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
)

const (
	registryVar = "DISCOVERY_REGISTRY"
	sizeVar     = "DISCOVERY_SIZE"
	shareVar    = "DISCOVERY_PRESERVE"
	dnsVar      = "DISCOVERY_DNS"
)

func settings() []setting.Setting {
	return []setting.Setting{{
		Name: registryVar, Default: "mdns:",
		Help: "the registry below: what is registered here appears there, and what others register there appears here: " + registries.Schemes,
	}, {
		Name: sizeVar, Default: "256MiB",
		Help: "bounds the memory of instances, some 1 KiB for each and what it says of itself; more are refused",
	}, {
		Name: shareVar, Default: "85%",
		Help: "share of the instances that must renew in time for any to be lost: if fewer do, and more than ten do not, " +
			"all stay for up to 15 minutes, since it is more likely that renewals do not arrive; 0% never keeps them",
	}, {
		Name: dnsVar, Default: "127.0.0.1:8600",
		Help: "host:port where DNS is answered for names below platform., over UDP and TCP, such as SRV greeter.platform.; never by TLS, " +
			"so beyond loopback it needs PLATFORM_INSECURE=true; off: nowhere",
	}}
}

const (
	minSize = 1 << 20
	maxSize = 1 << 40
)

// config is what settings say.
type config struct {
	below registries.Config
	size  int64
	share float64
}

func readConfig(v *setting.Values) config {
	c := config{below: registries.ReadFrom(v, registryVar), size: v.Bytes(sizeVar, maxSize), share: readShare(v)}
	if c.size < minSize && c.size != 0 {
		v.Fail(sizeVar, "want 1MiB or more")
	}
	return c
}

func readShare(v *setting.Values) float64 {
	s := v.String(shareVar)
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !strings.HasSuffix(s, "%") || n < 0 || n > 100 {
		v.Fail(shareVar, "%q is no percentage from 0%% to 100%%", s)
	}
	return n / 100
}
