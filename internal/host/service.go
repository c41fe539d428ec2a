// Package host runs services: one in each deployed binary, or all of them in one
// process.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/datadir"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/setting"
)

// A Service is something a host can run.
type Service struct {
	Name     string            // what it is registered as: "kv-srv"
	Port     int               // where it listens unless <FEATURE>_ADDRESS says otherwise
	Settings []setting.Setting // its own; Settings adds those that all services have

	// Last has the service stopped when the others of the process are: they need it to say
	// that they leave.
	Last bool

	// Start opens what the service needs and registers its handlers. It does not
	// block. What it opened it closes with h.OnStop.
	Start func(ctx context.Context, h *Host) error
}

// prefix begins the names of the settings that are the service's own: "KV" of "kv-srv".
func (s Service) prefix() string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(strings.TrimSuffix(s.Name, "-srv")))
}

// A Host is what a service sees of the process that runs it.
type Host struct {
	Name     string
	Log      *slog.Logger
	Settings *setting.Values
	Registry registry.Registry

	conf     config
	port     *port.Server
	client   client.Client
	secure   *certs.Source // to call by TLS; nil: without
	metrics  *prometheus.Registry
	ready    readiness
	ctx      context.Context //nolint:containedctx // that of Go
	cancel   context.CancelFunc
	work     sync.WaitGroup
	failed   chan<- error
	onListen []func(address string) error
	onDrain  []func(context.Context) error
	onStop   []func(context.Context) error
	dataDir  string // once somebody asked for it
	backups  []backedUp
	doors    []door
	vital    []string // endpoints
	last     bool     // to be stopped
	metadata map[string]string
}

// Server is what generated Register functions take.
func (h *Host) Server() server.Server { return h.port }

// Direct spares calls of some unary methods reflection: see port.Direct.
func (h *Host) Direct(methods port.Methods) { h.port.Direct(methods) }

// Vital has calls of some endpoints served however many others there are: those without
// which instances of the service would take each other for lost. It is for Start alone.
func (h *Host) Vital(endpoints ...string) { h.vital = append(h.vital, endpoints...) }

func (h *Host) isVital(endpoint string) bool { return slices.Contains(h.vital, endpoint) }

// Client calls other services.
func (h *Host) Client() client.Client { return h.client }

// Metrics takes the metrics of the service, for /metrics.
func (h *Host) Metrics() prometheus.Registerer { return h.metrics }

// Handle serves a pattern of http.ServeMux on the service's port.
func (h *Host) Handle(pattern string, handler http.Handler) { h.port.HandleHTTP(pattern, handler) }

// Call makes a unary call of the service's own for whoever sent r: see port.Server.Call.
func (h *Host) Call(ctx context.Context, r *http.Request, endpoint string, req, rsp proto.Message) error {
	return h.port.Call(ctx, r, endpoint, req, rsp)
}

// Secure is what other services are called with by TLS, nil without.
func (h *Host) Secure() *certs.Source { return h.secure }

// Pages serves the pages of the service at /, and tells the console of them.
func (h *Host) Pages(c page.Config) (*page.Site, error) {
	c.Feature, c.Caller, c.Log = strings.TrimSuffix(h.Name, "-srv"), h.port, h.Log
	site, err := page.New(c)
	if err != nil {
		return nil, err
	}
	for pattern, handler := range site.Handlers() {
		h.Handle(pattern, handler)
	}
	return site, h.describe("pages", "/")
}

// describe adds to what the service is registered with.
func (h *Host) describe(key, value string) error {
	if h.metadata == nil {
		h.metadata = map[string]string{}
	}
	h.metadata[key] = value
	return h.port.Init(server.Metadata(maps.Clone(h.metadata)))
}

// Ready adds a condition of readiness. The check says what the service waits for; it
// runs when somebody asks, for a second at most.
func (h *Host) Ready(name string, check func(context.Context) error) { h.ready.add(name, check) }

// Note adds what /readyz says of the service beside whether it is ready: text is asked when
// somebody asks, and returns "" where there is nothing to say.
func (h *Host) Note(name string, text func() string) { h.ready.addNote(name, text) }

// Go runs f until the service stops, which ends f's context. An error from f stops
// the host.
func (h *Host) Go(f func(context.Context) error) {
	h.work.Go(func() {
		err := f(h.ctx)
		if err == nil || h.ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return
		}
		select {
		case h.failed <- fmt.Errorf("%s: %w", h.Name, err):
		default: // another one stops the host already
		}
	})
}

// OnListen has f called once the service answers, before it is registered, with the
// host:port that it is registered under. An error of f ends the start.
func (h *Host) OnListen(f func(address string) error) { h.onListen = append(h.onListen, f) }

func (h *Host) listening(address string) error {
	for _, f := range h.onListen {
		if err := f(address); err != nil {
			return err
		}
	}
	return nil
}

// OnDrain has f called before the service stops, while it still answers but is no longer
// ready. What f does not do in PLATFORM_DRAIN is left undone.
func (h *Host) OnDrain(f func(context.Context) error) { h.onDrain = append(h.onDrain, f) }

// OnStop has f called when the service no longer answers, last in first out.
func (h *Host) OnStop(f func(context.Context) error) { h.onStop = append(h.onStop, f) }

// DataDir returns the folder of this service below PLATFORM_DATA, which no other
// process has until the service stops.
func (h *Host) DataDir() (string, error) {
	d, err := datadir.Open(filepath.Join(h.Settings.String("PLATFORM_DATA"), h.Name))
	if err != nil {
		return "", fmt.Errorf("PLATFORM_DATA: %w", err)
	}
	h.OnStop(func(context.Context) error { return d.Close() })
	left, _ := filepath.Glob(filepath.Join(d.Path, backup.Prefix+"*")) // of a process that was killed
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("PLATFORM_DATA: %w", err)
		}
	}
	h.dataDir = d.Path
	return d.Path, nil
}

// stop ends the service.
func (h *Host) stop() error {
	h.Ready("stop", func(context.Context) error { return errors.New("stopping") }) // while it is still registered
	return errors.Join(h.drain(), h.port.Stop(), h.Close())
}

func (h *Host) drain() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), h.conf.drain)
	defer cancel()
	var errs []error
	for _, f := range h.onDrain {
		errs = append(errs, f(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("drain %s: %w", h.Name, err)
	}
	return nil
}

// Close ends what the service has begun, in reverse. Its server must have stopped.
func (h *Host) Close() error {
	h.cancel()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), h.conf.drain)
	defer cancel()
	errs := []error{h.workEnded(ctx), h.client.Options().Selector.Close()}
	for _, f := range slices.Backward(h.onStop) {
		errs = append(errs, f(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop %s: %w", h.Name, err)
	}
	return nil
}

// workEnded waits for what Go has begun.
func (h *Host) workEnded(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the last of them
		h.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("work does not end with its context")
	}
}
