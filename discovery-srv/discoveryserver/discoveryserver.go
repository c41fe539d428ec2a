// Package discoveryserver assembles the discovery service.
package discoveryserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/discovery-srv/internal/below"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/dns"
	"github.com/micro/platform/discovery-srv/internal/follow"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/page"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	"github.com/micro/platform/discovery-srv/internal/sd"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/figures"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/registries"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Service returns the service for a host to run.
func Service() host.Service {
	return host.Service{Name: "discovery-srv", Port: 8104, Settings: settings(), Start: start, Last: true}
}

// What a table of leases goes by, beside settings.
const (
	fewLate = 10
	longest = 15 * time.Minute
	warming = 30 * time.Second // the usual time to live
)

func start(ctx context.Context, h *host.Host) error {
	conf := readConfig(h.Settings)
	if err := h.Settings.Err(); err != nil {
		return err
	}
	pages, err := page.Config()
	if err != nil {
		return err
	}
	if _, err := h.Pages(pages); err != nil {
		return err
	}
	known := catalog.New(catalog.Options{MaxBytes: conf.size, Full: func(id catalog.ID) { tellFull(h, id) }})
	h.Note("catalog", func() string { return noteFull(known.Stats()) })
	d := handler.Config{Catalog: known, WriteOnly: conf.role == "write"}
	answers := dns.Config{Folded: known.Folded, Shuffle: mathrand.Shuffle}
	if conf.role == "read" {
		answers.Knows = read(h, conf, known, &d)
	} else {
		err = write(ctx, h, conf, known, &d)
	}
	if !d.WriteOnly {
		serveDNS(h, answers)
	}
	h.Handle(sd.Path, sd.Handler(h.Call))
	return errors.Join(err, h.Metrics().Register(metrics(known, d.Leases)), discoverypb.RegisterRegistryHandler(h.Server(), handler.New(d)))
}

// read makes the node one that follows others. It returns what tells whether it has heard
// of any.
func read(h *host.Host, conf config, known *catalog.Catalog, d *handler.Config) func() bool {
	f := follow.New(known, h.Client(), conf.sources, h.Log)
	h.Go(f.Run)
	h.Ready("source", func(context.Context) error {
		if f.Heard() {
			return nil // it answers with its age
		}
		return errors.New(cmp.Or(f.Away(), "it was not heard of yet"))
	})
	h.Note("source", f.Away)
	d.Source, d.Away = f, f.Away
	return f.Heard
}

// write makes the node one that keeps leases.
func write(ctx context.Context, h *host.Host, conf config, known *catalog.Catalog, d *handler.Config) error {
	o := lease.Options{
		Share: conf.share, Few: fewLate, Longest: longest, Warming: warming,
		Ended:   func(ctx context.Context, ids []catalog.ID) { d.Registrar.Ended(ctx, ids) },
		Changed: func(s lease.State) { tell(h, s) },
	}
	h.Note("leases", func() string { return note(d.Leases.State()) })
	if conf.below.URL.Scheme == "memory" { // of which nobody else would know
		d.Leases = lease.New(o)
		d.Registrar = registrar.New(known, d.Leases, nil, time.Now)
		h.Go(d.Leases.Run)
		return nil
	}
	b, err := openBelow(ctx, h, conf)
	if err != nil {
		return err
	}
	o.Unsure = func() bool { return !b.Looked() } // what others have registered is not known yet
	d.Leases = lease.New(o)
	d.Registrar, d.Away = registrar.New(known, d.Leases, b, time.Now), b.Away
	h.Go(d.Leases.Run)
	h.Go(func(ctx context.Context) error { return b.Run(ctx, d.Registrar) })
	h.Note("registry", b.Away)
	return nil
}

// How often registries are asked for all that they have: mDNS tells of nothing by itself.
const (
	lookOften  = 3 * time.Second
	lookSeldom = 15 * time.Second
)

func openBelow(ctx context.Context, h *host.Host, conf config) (*below.Below, error) {
	reg, err := registries.OpenBare(ctx, conf.below, h.Log)
	if err != nil {
		return nil, err
	}
	o := below.Options{Registry: reg, Look: lookOften, Owner: rand.Text(), Log: h.Log}
	if conf.below.Remote() {
		o.Remote, o.Watches, o.Look = true, true, lookSeldom
		o.Keeps = conf.below.URL.Scheme != "nats" // where each answers for what it has put there
	}
	b := below.New(o)
	h.OnStop(func(ctx context.Context) error {
		b.Close(ctx)
		if c, ok := reg.(io.Closer); ok {
			return c.Close()
		}
		return nil
	})
	return b, nil
}

// serveDNS answers DNS, if the settings say where.
func serveDNS(h *host.Host, c dns.Config) {
	s := dns.New(c)
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

// tellFull logs that there is no room for an instance, maybe for no more than its change.
func tellFull(h *host.Host, id catalog.ID) {
	h.Log.Warn("an instance finds no room", "setting", sizeVar, "namespace", id.Namespace, "service", id.Service, "instance", id.Instance)
}

// noteFull is what /readyz says of instances that found no room, for a minute after each: who
// is refused, and what is seen below, comes again within that.
func noteFull(s catalog.Stats) string {
	if s.FullAt.IsZero() || time.Since(s.FullAt) > time.Minute {
		return ""
	}
	return fmt.Sprintf("not all that was told finds room in %s: not at %s", sizeVar, s.FullAt.UTC().Format(time.RFC3339))
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
	return figures.Of(func() both {
		if leases == nil {
			return both{Stats: known.Stats()}
		}
		return both{known.Stats(), leases.State()}
	},
		figures.Gauge("discovery_services", "Services with instances.", func(b both) float64 { return float64(b.Services) }),
		figures.Gauge("discovery_instances", "Instances.", func(b both) float64 { return float64(b.Instances) }),
		figures.Gauge("discovery_bytes", "Memory that instances count for.", func(b both) float64 { return float64(b.Bytes) }),
		figures.Counter("discovery_full_total", "Times that an instance found no room.", func(b both) float64 { return float64(b.Full) }),
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
