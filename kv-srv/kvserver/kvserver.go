// Package kvserver assembles the key-value service.
package kvserver

import (
	"context"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/internal/handler"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Service returns the service for a host to run.
func Service() host.Service {
	return host.Service{Name: "kv-srv", Port: 8106, Settings: settings(), Start: start}
}

func start(ctx context.Context, h *host.Host) error {
	s, metrics, err := openStore(ctx, h)
	if err != nil || s == nil {
		return err // nil: the settings have the error
	}
	h.OnStop(func(context.Context) error { return s.Close() })
	h.Ready("store", s.Ready)
	if metrics != nil {
		if err := h.Metrics().Register(metrics); err != nil {
			return err
		}
	}
	return kvpb.RegisterKVHandler(h.Server(), handler.New(s))
}
