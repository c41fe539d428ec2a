// Package discoveryserver assembles the discovery service.
package discoveryserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/dns"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/discovery-srv/internal/sd"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/figures"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/port"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Service returns the service for a host to run.
func Service() host.Service {
	return host.Service{Name: "discovery-srv", Port: 8104, Settings: settings(), Start: start}
}

// What a table of leases goes by, beside settings.
const (
	fewLate = 10
	longest = 15 * time.Minute
	warming = 30 * time.Second // the usual time to live
)

func start(_ context.Context, h *host.Host) error {
	conf := readConfig(h.Settings)
	if err := h.Settings.Err(); err != nil {
		return err
	}
	known := catalog.New(catalog.Options{MaxBytes: conf.size})
	var write *registrar.Registrar
	leases := lease.New(lease.Options{
		Share: conf.share, Few: fewLate, Longest: longest, Warming: warming,
		Ended:   func(ctx context.Context, ids []catalog.ID) { write.Ended(ctx, ids) },
		Changed: func(s lease.State) { tell(h, s) },
	})
	write = registrar.New(known, leases, nil, time.Now)
	h.Go(leases.Run)
	h.Note("leases", func() string { return note(leases.State()) })
	serveDNS(h, known)
	h.Handle(sd.Path, sd.Handler(h.Call))
	d := handler.New(handler.Config{Catalog: known, Registrar: write, Leases: leases})
	return errors.Join(h.Metrics().Register(metrics(known, leases)), discoverypb.RegisterRegistryHandler(h.Server(), d))
}

// serveDNS answers DNS, if the settings say where.
func serveDNS(h *host.Host, known *catalog.Catalog) {
	s := dns.New(dns.Config{Folded: known.Folded, Shuffle: rand.Shuffle})
	h.PlainDoor(dnsVar, call.DNS, func(v *port.Visitor) { s.Serve(v) }, func(c *port.Caller, b []byte) []byte { return s.Packet(c, b) })
}

// tell logs that leases are preserved, and that they no longer are.
func tell(h *host.Host, s lease.State) {
	if s.Preserving.IsZero() {
		h.Log.Info("leases end again", "leases", s.Leases, "late", s.Late)
		return
	}
	h.Log.Warn("too many leases are late at once: none ends", "leases", s.Leases, "late", s.Late)
}

// note is what /readyz says beside that the service is ready.
func note(s lease.State) string {
	switch {
	case !s.Preserving.IsZero():
		return fmt.Sprintf("%d of %d are late: none ends since %s", s.Late, s.Leases, s.Preserving.UTC().Format(time.RFC3339))
	case s.Warming:
		return "warming: what is not known may be there all the same"
	}
	return ""
}

func metrics(known *catalog.Catalog, leases *lease.Table) prometheus.Collector {
	type both struct {
		catalog.Stats
		lease.State
	}
	return figures.Of(func() both { return both{known.Stats(), leases.State()} },
		figures.Gauge("discovery_services", "Services with instances.", func(b both) float64 { return float64(b.Services) }),
		figures.Gauge("discovery_instances", "Instances.", func(b both) float64 { return float64(b.Instances) }),
		figures.Gauge("discovery_bytes", "Memory that instances count for.", func(b both) float64 { return float64(b.Bytes) }),
		figures.Gauge("discovery_watchers", "Watches that are open.", func(b both) float64 { return float64(b.Watches) }),
		figures.Gauge("discovery_leases", "Leases that instances hold.", func(b both) float64 { return float64(b.Leases) }),
		figures.Gauge("discovery_leases_late", "Leases that were not renewed for two thirds of their time.", func(b both) float64 { return float64(b.Late) }),
		figures.Gauge("discovery_preserving", "1 while no lease ends since too many are late.", func(b both) float64 { return truth(!b.Preserving.IsZero()) }),
		figures.Gauge("discovery_warming", "1 until instances have had the time to renew.", func(b both) float64 { return truth(b.Warming) }),
		figures.Counter("discovery_lost_total", "Instances whose lease has ended.", func(b both) float64 { return float64(b.Lost) }),
		figures.Counter("discovery_renewals_total", "Leases that were renewed.", func(b both) float64 { return float64(b.Renewals) }),
		figures.Counter("discovery_renewals_unknown_total", "Renewals of leases that were not known.", func(b both) float64 { return float64(b.Unknown) }),
	)
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
