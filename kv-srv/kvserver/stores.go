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
	"github.com/micro/platform/kv-srv/internal/store/etcd"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// openStore returns the store that the settings name and what it counts, if it does. The
// store is nil where the settings are wrong, and they know why.
func openStore(ctx context.Context, h *host.Host) (store.Store, prometheus.Collector, error) {
	u := h.Settings.URL(storeVar)
	if h.Settings.Err() != nil {
		return nil, nil, nil //nolint:nilerr // the settings have it
	}
	wrong := func(err error) (store.Store, prometheus.Collector, error) {
		h.Settings.Fail(storeVar, "%w", err)
		return nil, nil, nil
	}
	switch u.Scheme {
	case "memory":
		o, err := memoryOptions(u)
		if err != nil {
			return wrong(err)
		}
		s := memory.Open(o)
		return s, memoryMetrics(s), nil
	case "disk":
		if err := diskOptions(u); err != nil {
			return wrong(err)
		}
		return openDisk(ctx, h)
	case "etcd":
		s, err := etcd.Open(ctx, u)
		if err != nil {
			return wrong(err)
		}
		return s, nil, nil
	default:
		return wrong(fmt.Errorf("no backend for scheme %q (have memory, disk, etcd)", u.Scheme))
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
