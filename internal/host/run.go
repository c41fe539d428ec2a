package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go-micro.dev/v5/registry"
	"golang.org/x/term"

	"github.com/micro/platform/internal/apidocs"
	"github.com/micro/platform/internal/buildinfo"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/internal/spans"
	"github.com/micro/platform/internal/tracing"
	"github.com/micro/platform/proto"
	operationspb "github.com/micro/platform/proto/micro/operations/v1"
)

// Process is what services find in their process.
type Process struct {
	Getenv func(string) string
	Stderr io.Writer // for the log

	// Registry is used instead of the one that PLATFORM_REGISTRY names, if not nil.
	Registry registry.Registry

	// Started is called once every service answers; may be nil.
	Started func([]Running)
}

// Running is a service that answers.
type Running struct {
	Name, Address string
	Doors         map[string]string // addresses of protocols of its own: "resp"
}

// ConfigError is a setting that is wrong: nothing was started.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the errors of the settings, joined.
func (e *ConfigError) Unwrap() error { return e.Err }

// Run runs services until ctx is done or one of them fails, then stops all.
func Run(ctx context.Context, p Process, services ...Service) error {
	values, err := readSettings(p, services)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	var hosts []*Host
	reg := p.Registry
	err = func() error {
		for i, s := range services {
			h, err := newHost(ctx, p, s, values[i], reg, failed)
			if err != nil {
				return err
			}
			reg = h.Registry
			hosts = append(hosts, h)
			if err := start(ctx, s, h); err != nil {
				return err
			}
		}
		if p.Started != nil {
			p.Started(running(hosts))
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		}
	}()
	err = errors.Join(err, stopAll(hosts))
	if p.Registry == nil {
		err = errors.Join(err, closeRegistry(reg))
	}
	select {
	case late := <-failed: // of work that was to end
		return errors.Join(err, late)
	default:
		return err
	}
}

// readSettings finds every wrong setting of every service before any of them starts.
func readSettings(p Process, services []Service) ([]*setting.Values, error) {
	var all []*setting.Values
	var errs []error
	for _, s := range services {
		v := setting.New(p.Getenv, s.settings())
		s.config(v)
		errs = append(errs, v.Err())
		all = append(all, v)
	}
	if err := errors.Join(unique(errs)...); err != nil {
		return nil, &ConfigError{err}
	}
	return all, nil
}

// unique leaves out what an earlier service has said already.
func unique(errs []error) []error {
	seen := map[string]bool{}
	var all []error
	for _, err := range errs {
		if err == nil {
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !seen[line] {
				seen[line] = true
				all = append(all, errors.New(line))
			}
		}
	}
	return all
}

// Open makes the host of one service that somebody else starts and stops: with
// Server().Start and Stop, then Close. Nothing is served before.
func Open(ctx context.Context, p Process, s Service) (*Host, error) {
	v := setting.New(p.Getenv, s.settings())
	s.config(v)
	if err := v.Err(); err != nil {
		return nil, &ConfigError{err}
	}
	h, err := newHost(ctx, p, s, v, p.Registry, make(chan error, 1))
	if err == nil && p.Registry == nil {
		h.OnStop(func(context.Context) error { return closeRegistry(h.Registry) })
	}
	return h, err
}

// closeRegistry ends what a registry has begun, if it can.
func closeRegistry(r registry.Registry) error {
	if c, ok := r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func newHost(ctx context.Context, p Process, s Service, v *setting.Values, reg registry.Registry, failed chan<- error) (*Host, error) {
	c := s.config(v)
	log := newLogger(p.Stderr, c.level).With("service", s.Name)
	secure, err := c.certs.Client(log)
	if err != nil {
		return nil, &ConfigError{err}
	}
	opened := reg == nil
	if opened {
		if reg, err = registries.Open(ctx, c.registry, secure, log); err != nil {
			return nil, fmt.Errorf("start %s: %w", s.Name, err)
		}
	}
	h := &Host{
		Name: s.Name, Log: log, Settings: v, Registry: reg, conf: c, secure: secure,
		client: client.New(reg, secure, log), metrics: prometheus.NewRegistry(), failed: failed, last: s.Last,
	}
	// Calls in flight and work under way end when the host says so, not with ctx.
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if r, ok := reg.(interface{ Ready(service string) error }); ok {
		h.Ready("registry", func(context.Context) error { return r.Ready(s.Name) })
	}
	if err := h.open(p); err != nil {
		h.cancel()
		if opened {
			err = errors.Join(err, closeRegistry(reg))
		}
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return h, nil
}

// open makes the port and what all services serve on it.
func (h *Host) open(p Process) error {
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := h.metrics.Register(c); err != nil {
			return err
		}
	}
	measured, err := chain.NewMetrics(h.metrics)
	if err != nil {
		return err
	}
	refused, err := h.counter("server_connections_refused_total", "Connections closed because there were too many.")
	if err != nil {
		return err
	}
	failed, err := h.counter("server_handshakes_failed_total", "TLS handshakes that have failed.")
	if err != nil {
		return err
	}
	secure, err := h.conf.certs.Server(h.Log, port.Prepare)
	if err != nil {
		return &ConfigError{err}
	}
	tracer, shutdown, err := spans.Open(h.ctx, p.Getenv, h.Name, buildinfo.Version())
	if err != nil {
		return &ConfigError{err}
	}
	h.OnStop(shutdown)
	conf := h.conf.port()
	conf.Name, conf.Version, conf.Registry, conf.Log = h.Name, buildinfo.Version(), h.Registry, h.Log
	conf.Wrappers = chain.New(chain.Config{
		Log: h.Log, Metrics: measured, Tracer: tracer, Propagator: tracing.Propagator(),
		MaxCalls: h.conf.maxCalls, MaxStreams: h.conf.maxStreams, Vital: h.isVital, Timeout: h.conf.timeout, Slow: h.conf.slow,
	})
	conf.Ready, conf.Refused, conf.Failed, conf.Listening = h.ready.err, refused, failed, h.listening
	if secure != nil {
		conf.TLS = secure.Config
	}
	h.port = port.New(h.ctx, conf)
	if h.conf.zone != "" {
		if err := h.describe("zone", h.conf.zone); err != nil {
			return err
		}
	}
	h.Handle("GET /metrics", promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{}))
	h.Handle("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }))
	h.Handle("GET /readyz", http.HandlerFunc(h.ready.serve))
	return nil
}

// counter returns what counts one more.
func (h *Host) counter(name, help string) (func(), error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	return c.Inc, h.metrics.Register(c)
}

func start(ctx context.Context, s Service, h *Host) error {
	err := s.Start(ctx, h)
	if bad := h.Settings.Err(); bad != nil {
		return &ConfigError{bad}
	}
	if err == nil {
		err = operationspb.RegisterOperationsHandler(h.port, &operations{h, make(chan struct{}, 1)})
	}
	if err == nil {
		err = h.tell()
	}
	if err == nil {
		err = h.port.Start()
	}
	if err != nil {
		return h.explain(s, err)
	}
	h.Log.InfoContext(ctx, "listening", "address", h.port.Addr().String(), "version", buildinfo.Version())
	for protocol, address := range h.addresses() {
		h.Log.InfoContext(ctx, "listening", "address", address, "protocol", protocol)
	}
	return nil
}

// tell serves the documents of the services that were registered.
func (h *Host) tell() error {
	docs, err := apidocs.Handlers(slices.Collect(maps.Keys(h.port.GetServiceInfo())), proto.Document)
	for pattern, handler := range docs {
		h.Handle(pattern, handler)
	}
	return err
}

func running(hosts []*Host) []Running {
	all := make([]Running, 0, len(hosts))
	for _, h := range hosts {
		all = append(all, Running{h.Name, h.port.Addr().String(), h.addresses()})
	}
	return all
}

// stopAll stops services at once, but for the last.
func stopAll(hosts []*Host) error {
	errs := make([]error, len(hosts))
	for _, last := range []bool{false, true} {
		var some sync.WaitGroup
		for i, h := range hosts {
			if h.last == last {
				some.Go(func() { errs[i] = h.stop() })
			}
		}
		some.Wait()
	}
	return errors.Join(errs...)
}

// newLogger writes text to a terminal and JSON elsewhere.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
