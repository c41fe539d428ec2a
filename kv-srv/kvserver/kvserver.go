// Package kvserver assembles the key-value service.
package kvserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/page"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Service returns the service for a host to run.
func Service() host.Service {
	return host.Service{Name: "kv-srv", Port: 8106, Settings: settings(), Start: start}
}

func start(ctx context.Context, h *host.Host) error {
	s, err := openStores(ctx, h)
	if err != nil || h.Settings.Err() != nil {
		return err // nil: the settings have it
	}
	h.Ready("store", s.Ready)
	pages, err := page.Config(ringed(h.Settings))
	if err != nil {
		return err
	}
	if _, err := h.Pages(pages); err != nil {
		return err
	}
	kv := handler.New(s, hot.New(time.Now, rand.Uint32), time.Now)
	return errors.Join(h.Metrics().Register(leaseMetrics(kv)), kvpb.RegisterKVHandler(h.Server(), kv))
}
