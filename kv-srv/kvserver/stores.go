package kvserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/apart"
	"github.com/micro/platform/kv-srv/internal/store/consul"
	"github.com/micro/platform/kv-srv/internal/store/disk"
	"github.com/micro/platform/kv-srv/internal/store/etcd"
	"github.com/micro/platform/kv-srv/internal/store/memcached"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/redis"
)

// backend is a kind of store. An error of open means that the URL is wrong, but for a
// *startError.
type backend struct {
	open   func(ctx context.Context, h *host.Host, u *url.URL, quotas store.Quotas) (opened, error)
	counts bool // keeps quotas
}

// opened is a store and what it counts, if it does.
type opened struct {
	store.Store
	metrics prometheus.Collector
}

// startError is why a store cannot be opened though its URL is right.
type startError struct{ error }

// backends returns them by their names, which are schemes of their URLs.
func backends() map[string]backend {
	return map[string]backend{
		"memory":    {openMemory, true},
		"disk":      {openDisk, true},
		"etcd":      {server(etcd.Open), false},
		"memcached": {server(openMemcached), false},
		"redis":     {server(redis.Open), false},
		"consul":    {server(consul.Open), false},
	}
}

// nameOf returns the name of the backend of a scheme, which may have several.
func nameOf(scheme string) string {
	switch scheme {
	case "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel":
		return "redis"
	}
	return scheme
}

// backendOf returns that of a scheme.
func backendOf(scheme string) (backend, bool) {
	b, ok := backends()[nameOf(scheme)]
	return b, ok
}

func openMemory(ctx context.Context, h *host.Host, u *url.URL, quotas store.Quotas) (opened, error) {
	o, replicas, err := memoryOptions(u)
	switch {
	case err != nil:
		return opened{}, err
	case ringed(h.Settings):
		s, err := openRing(ctx, h, o, replicas)
		return opened{s, ringMetrics(s)}, err
	case replicas != 0:
		return opened{}, errors.New("memory: has replicas in a ring alone: set KV_PEERS")
	}
	o.Quotas = quotas
	s := memory.Open(o)
	return opened{s, memoryMetrics(s.Stats)}, nil
}

func openDisk(ctx context.Context, h *host.Host, u *url.URL, quotas store.Quotas) (opened, error) {
	if err := diskOptions(u); err != nil {
		return opened{}, err
	}
	dir, err := h.DataDir()
	if err != nil {
		return opened{}, &startError{err}
	}
	s, err := disk.Open(ctx, filepath.Join(dir, "disk"), disk.Options{Quotas: quotas, Log: h.Log.With(slog.String("store", "disk"))})
	if err != nil {
		return opened{}, &startError{err}
	}
	h.Backup("disk", s.Backup)
	return opened{s, diskMetrics(s)}, nil
}

// server opens what counts nothing of its own.
func server[S store.Store](open func(context.Context, *url.URL) (S, error)) func(context.Context, *host.Host, *url.URL, store.Quotas) (opened, error) {
	return func(ctx context.Context, _ *host.Host, u *url.URL, _ store.Quotas) (opened, error) {
		s, err := open(ctx, u)
		if err != nil {
			return opened{}, err
		}
		return opened{Store: s}, nil
	}
}

func openMemcached(_ context.Context, u *url.URL) (*memcached.Store, error) { return memcached.Open(u) }

// openStores returns the store that the settings ask for. Where they are wrong, they know
// why.
func openStores(ctx context.Context, h *host.Host) (*apart.Store, error) {
	all := &apart.Store{}
	h.OnStop(func(context.Context) error { return all.Close() })
	for _, p := range readPlan(h.Settings) {
		one, err := p.open(ctx, h)
		var start *startError
		switch {
		case errors.As(err, &start):
			return nil, fmt.Errorf("%s: %w", p.variable, start.error)
		case err != nil:
			h.Settings.Fail(p.variable, "%w", err)
		case len(p.namespaces) == 0:
			all.AddRest(nameOf(p.url.Scheme), one, p.named...)
		default:
			all.Add(nameOf(p.url.Scheme), one, p.namespaces...)
		}
	}
	return all, nil
}

// open opens a store and registers its metrics under the namespaces that it has.
func (p place) open(ctx context.Context, h *host.Host) (store.Store, error) {
	b, ok := backendOf(p.url.Scheme)
	if !ok {
		return nil, fmt.Errorf("no backend for scheme %q (have %s)", p.url.Scheme, names(func(backend) bool { return true }))
	}
	one, err := b.open(ctx, h, p.url, p.quotas)
	if err != nil {
		return nil, err
	}
	if one.metrics == nil {
		return one.Store, nil
	}
	label := prometheus.Labels{"namespaces": p.label()}
	if err := prometheus.WrapRegistererWith(label, h.Metrics()).Register(one.metrics); err != nil {
		return nil, &startError{errors.Join(err, one.Close())}
	}
	return one.Store, nil
}

// names lists the backends that are such.
func names(such func(backend) bool) string {
	var all []string
	for name, b := range backends() {
		if such(b) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
