// Package port serves handlers that were registered once, in go-micro's way, to
// callers of go-micro RPC, gRPC, Connect and gRPC-Web on one TCP port.
package port

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/rs/cors"
	"go-micro.dev/v5/server"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/microlog"
	"github.com/micro/platform/internal/rpcerr"
)

// pingTimeout is how long a caller has to answer a ping before its connection is closed.
const pingTimeout = 10 * time.Second

// Server is go-micro's server.Server. Register handlers, then Start it, once.
type Server struct {
	server.Server // go-micro's own: registers the service and runs its subscriptions

	conf     Config
	hosts    hosts
	cors     *cors.Cors
	mux      *http.ServeMux
	table    table
	services map[string]struct{} // full names of the proto services
	connect  map[*method]http.Handler
	direct   map[string]server.HandlerFunc
	buffers  bufferPool
	zips     zipPool
	faults   *connect.ErrorWriter

	listener net.Listener
	doors    []*door // of protocols of the service's own
	visitors sync.WaitGroup
	grpc     *grpc.Server
	http     *http.Server
	serving  errgroup.Group
	streams  sync.WaitGroup // of go-micro RPC

	base     context.Context //nolint:containedctx // that of everything the server owns
	kill     context.CancelFunc
	draining context.Context //nolint:containedctx // ends when the server begins to stop
	drain    context.CancelFunc
}

var _ server.Server = (*Server)(nil)

// New returns a server that has not started. It does no I/O. What it serves ends
// with base.
func New(base context.Context, conf Config) *Server {
	conf.defaults()
	s := &Server{
		conf:     conf,
		hosts:    conf.Hosts,
		cors:     newCORS(conf.Origins),
		mux:      http.NewServeMux(),
		table:    table{byPath: map[string]*method{}, byEndpoint: map[string]*method{}, unknown: unknown()},
		services: map[string]struct{}{},
		connect:  map[*method]http.Handler{},
		direct:   map[string]server.HandlerFunc{},
		faults:   connect.NewErrorWriter(),
	}
	s.base, s.kill = context.WithCancel(base)
	s.draining, s.drain = context.WithCancel(s.base)
	s.table.unknown.wrap(conf.Wrappers)
	s.Server = server.NewRPCServer(
		server.Name(conf.Name), server.Version(conf.Version), server.Id(uuid.NewString()),
		server.Address(conf.Address), server.Advertise(conf.Advertise),
		server.Registry(conf.Registry), server.Broker(conf.Broker),
		server.RegisterTTL(30*time.Second), server.RegisterInterval(10*time.Second),
		server.WithLogger(microlog.New(conf.Log)),
	)
	return s
}

// NewHandler is what a generated Register function calls first.
func (s *Server) NewHandler(h any, opts ...server.HandlerOption) server.Handler {
	return newHandler(h, opts...)
}

// Handle registers a handler for all doors.
func (s *Server) Handle(h server.Handler) error {
	if err := s.Server.Handle(h); err != nil {
		return err
	}
	sd, all := methods(h)
	if sd != nil {
		s.services[string(sd.FullName())] = struct{}{}
	}
	wrappers := append(slices.Clip(s.conf.Wrappers), s.Options().HdlrWrappers...)
	for _, m := range all {
		if run := s.direct[m.endpoint]; run != nil && m.unary() {
			m.run = run
		}
		m.wrap(wrappers)
		s.table.add(m)
		s.connect[m] = s.connectHandler(m)
	}
	return nil
}

// Methods are what Unary returns, by endpoint: "KV.Get".
type Methods map[string]server.HandlerFunc

// Direct has the unary methods of these endpoints called so. It comes before their handler
// is registered, whose methods must do the same.
func (s *Server) Direct(methods Methods) { maps.Copy(s.direct, methods) }

// HandleHTTP serves h at a pattern of http.ServeMux, outside of the chain.
func (s *Server) HandleHTTP(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Addr is where the server listens, once it has started.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start listens, serves and registers. A registry that is away is tried again.
func (s *Server) Start() error {
	o := s.Options() // an application may have changed them
	s.conf.Name = o.Name
	if err := Exposed(o.Address); err != nil && !s.conf.Insecure {
		return fmt.Errorf("listen for %s: %w", o.Name, err)
	}
	l, err := s.listen(o.Address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", o.Name, err)
	}
	if err := s.listenAtDoors(); err != nil {
		return errors.Join(err, l.Close())
	}
	s.listener = l
	s.grpc = s.newGRPC() // only here: it has goroutines
	s.http = s.newHTTP()
	split := s.newSplitter(l)
	s.serving.Go(split.run)
	s.serving.Go(func() error { return unlessClosed(s.grpc.Serve(split.grpc)) })
	s.serving.Go(func() error { return unlessClosed(s.http.Serve(split.web)) })
	for _, d := range s.doors {
		d.open()
	}
	if err := s.Init(server.Transport(quiet{l.Addr()}), server.Address(l.Addr().String()), server.Advertise(advertised(o.Advertise, l.Addr()))); err != nil {
		return fmt.Errorf("configure %s: %w", s.conf.Name, err)
	}
	if err := s.conf.Listening(s.Options().Advertise); err != nil {
		return errors.Join(err, s.close(0))
	}
	if err := s.Server.Start(); err != nil {
		return errors.Join(fmt.Errorf("register %s: %w", s.conf.Name, err), s.close(0))
	}
	return nil
}

func (s *Server) listen(address string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: s.conf.KeepAlive, Interval: pingTimeout / 2, Count: 2,
	}}).Listen(s.base, "tcp", address)
}

// unlessClosed drops what a door returns because the server stops: its half of the
// listener may close before it knows.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Stop deregisters, lets calls in flight end, tells streams to go elsewhere, and
// closes. Where the registry can tell callers, it says first that the service is draining,
// and deregisters when that is over: so whoever hears of it makes no call in vain. It takes
// no longer than Config.Drain and four seconds.
func (s *Server) Stop() error {
	if s.listener == nil {
		s.kill()
		return nil
	}
	if s.announce() {
		return errors.Join(s.close(s.conf.Drain), s.deregister())
	}
	return errors.Join(s.deregister(), s.close(s.conf.Drain))
}

// notice is how long callers have to hear that the service is draining.
const notice = 500 * time.Millisecond

// announce tells callers that the service is draining, and still serves them until they have
// heard of it. It returns false where the registry cannot tell them.
func (s *Server) announce() bool {
	o := s.Options() // which micro.NewService may have been given later
	r, ok := o.Registry.(interface {
		Drain(ctx context.Context, service string) error
	})
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(s.base, time.Second)
	defer cancel()
	if err := r.Drain(ctx, o.Name); err != nil {
		s.conf.Log.WarnContext(s.base, "callers do not hear that the service is stopping", "error", err)
		return false
	}
	timer := time.NewTimer(notice)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.base.Done():
	}
	return true
}

func (s *Server) deregister() error {
	gone := make(chan error, 1)
	go func() { gone <- s.Server.Stop() }()
	var err error
	select {
	case err = <-gone:
	case <-time.After(time.Second):
		s.conf.Log.WarnContext(s.base, "the registry does not answer: the service stays registered until that runs out", "registry", s.Options().Registry.String())
	}
	return err
}

func (s *Server) close(patience time.Duration) error {
	defer s.kill()
	s.drain()
	ctx, cancel := context.WithTimeout(s.base, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, s.kill) // cuts off who is connected then
	defer stop()
	var doors errgroup.Group
	doors.Go(func() error { return s.drainHTTP(ctx) })
	doors.Go(func() error { return s.drainGRPC(ctx) })
	doors.Go(func() error {
		return s.drainStreams(ctx)
	})
	doors.Go(func() error { return s.drainDoors(ctx) })
	if err := errors.Join(s.listener.Close(), doors.Wait()); err != nil {
		return err // what serves waits for what does not end
	}
	return s.serving.Wait()
}

func (s *Server) drainHTTP(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) drainGRPC(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.grpc.Stop)
	defer stop()
	return s.ended(ctx, s.grpc.GracefulStop) // waits for handlers, whatever Stop does
}

// drainStreams waits for the streams of go-micro RPC, which net/http does not know.
func (s *Server) drainStreams(ctx context.Context) error { return s.ended(ctx, s.streams.Wait) }

// ended runs wait. What goes on after ctx has a second to notice.
func (s *Server) ended(ctx context.Context, wait func()) error {
	ended := make(chan struct{})
	go func() { // ends with the last handler
		wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-ended:
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("a call of %s does not end with its context", s.conf.Name)
	}
}

// ready is Config.Ready, and no once the server stops.
func (s *Server) ready(ctx context.Context) error {
	if s.draining.Err() != nil {
		return s.away()
	}
	return s.conf.Ready(ctx)
}

func (s *Server) away() *rpcerr.Error {
	return rpcerr.New(codes.Unavailable, "draining", "%s is stopping", s.conf.Name)
}

// streamContext returns a context that ends when the server begins to stop.
func (s *Server) streamContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.draining, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// leaving turns what a stream has returned because the server stops into unavailable,
// so that its caller looks for another instance.
func (s *Server) leaving(err error) error {
	if s.draining.Err() != nil && rpcerr.Code(err) == codes.Canceled {
		return s.away()
	}
	return err
}
