// Package kvserver assembles the key-value service.
package kvserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/micro/platform/internal/buildinfo"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/hot"
	"github.com/micro/platform/kv-srv/internal/page"
	"github.com/micro/platform/kv-srv/internal/resp"
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
	serveRedis(h)
	kv := handler.New(s, hot.New(time.Now, rand.Uint32), time.Now)
	h.Direct(port.Methods{
		"KV.Get": port.Unary(kv.Get), "KV.Put": port.Unary(kv.Put), "KV.Delete": port.Unary(kv.Delete),
		"KV.Increment": port.Unary(kv.Increment), "KV.Touch": port.Unary(kv.Touch),
		"KV.BatchGet": port.Unary(kv.BatchGet), "KV.BatchPut": port.Unary(kv.BatchPut),
	})
	return errors.Join(h.Metrics().Register(leaseMetrics(kv)), kvpb.RegisterKVHandler(h.Server(), kv))
}

// serveRedis serves the protocol of Redis, if the settings say where.
func serveRedis(h *host.Host) {
	s := resp.New(resp.Config{
		Password: h.Settings.String(passwordVar), MaxCommand: int(h.Settings.Bytes("PLATFORM_MAX_MESSAGE", 1<<30)),
		Version: buildinfo.Version(), Now: time.Now, Random: rand.Uint64, Log: h.Log,
	})
	h.Door(respVar, call.RESP, func(v *port.Visitor) { s.Serve(v) })
}
