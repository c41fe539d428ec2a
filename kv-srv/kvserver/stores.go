package kvserver

import (
	"fmt"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// openStore returns the store that the settings name and what it counts, or nil where
// they are wrong.
func openStore(v *setting.Values) (store.Store, prometheus.Collector) {
	u := v.URL(storeVar)
	if v.Err() != nil {
		return nil, nil
	}
	s, metrics, err := open(u)
	if err != nil {
		v.Fail(storeVar, "%w", err)
	}
	return s, metrics
}

func open(u *url.URL) (store.Store, prometheus.Collector, error) {
	switch u.Scheme {
	case "memory":
		o, err := memoryOptions(u)
		if err != nil {
			return nil, nil, err
		}
		s := memory.Open(o)
		return s, memoryMetrics(s), nil
	default:
		return nil, nil, fmt.Errorf("no backend for scheme %q (have memory)", u.Scheme)
	}
}
