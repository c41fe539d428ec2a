package kvserver

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// openStore returns the store that the settings name and what it counts, or nil where
// they are wrong, which the settings know then.
func openStore(ctx context.Context, h *host.Host) (store.Store, prometheus.Collector, error) {
	u := h.Settings.URL(storeVar)
	if h.Settings.Err() != nil {
		return nil, nil, nil
	}
	switch u.Scheme {
	case "memory":
		o, err := memoryOptions(u)
		if err != nil {
			h.Settings.Fail(storeVar, "%w", err)
			return nil, nil, nil //nolint:nilerr // the settings have it
		}
		s := memory.Open(o)
		return s, memoryMetrics(s), nil
	case "disk":
		if err := diskOptions(u); err != nil {
			h.Settings.Fail(storeVar, "%w", err)
			return nil, nil, nil
		}
		return openDisk(ctx, h)
	default:
		h.Settings.Fail(storeVar, "no backend for scheme %q (have disk, memory)", u.Scheme)
		return nil, nil, nil
	}
}

func openDisk(ctx context.Context, h *host.Host) (store.Store, prometheus.Collector, error) {
	dir, err := h.DataDir()
	if err != nil {
		return nil, nil, err
	}
	s, err := disk.Open(ctx, filepath.Join(dir, "disk"), disk.Options{Log: h.Log.With(slog.String("store", "disk"))})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", storeVar, err)
	}
	return s, diskMetrics(s), nil
}
