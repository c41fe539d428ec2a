package chain

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
)

// Metrics are the rate, errors and duration of calls, per endpoint and protocol.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rpc_server_requests_total", Help: "Calls that have ended.",
		}, []string{"endpoint", "protocol", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rpc_server_duration_seconds", Help: "How long unary calls took.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint", "protocol"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rpc_server_in_flight", Help: "Calls that have not ended.",
		}, []string{"endpoint", "protocol"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// series are the metrics of one endpoint over one protocol, found once.
type series struct {
	endpoint, protocol string

	ok       prometheus.Counter
	count    func(codes.Code) prometheus.Counter // finds one
	failures [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter]
	duration prometheus.Observer
	inFlight prometheus.Gauge
}

// failed counts calls that have ended with a code.
func (s *series) failed(code codes.Code) prometheus.Counter {
	if int(code) >= len(s.failures) {
		return s.count(code)
	}
	if c := s.failures[code].Load(); c != nil {
		return *c
	}
	c := s.count(code)
	s.failures[code].Store(&c)
	return c
}

// known are the series that one handler was asked for: one for each protocol. They are
// found without a hash, which is most of what they cost.
type known struct {
	metrics *Metrics
	mu      sync.Mutex // of who replaces all
	all     atomic.Pointer[[]*series]
}

func (k *known) of(c *call.Call) *series {
	if s := k.find(c); s != nil {
		return s
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.find(c); s != nil {
		return s
	}
	s := k.metrics.series(c.Endpoint, c.Protocol)
	all := []*series{s}
	if before := k.all.Load(); before != nil {
		all = append(all, *before...)
	}
	k.all.Store(&all)
	return s
}

// find returns nil for what was not asked for before.
func (k *known) find(c *call.Call) *series {
	all := k.all.Load()
	if all == nil {
		return nil
	}
	for _, s := range *all {
		if s.protocol == c.Protocol && s.endpoint == c.Endpoint {
			return s
		}
	}
	return nil
}

func (m *Metrics) series(endpoint, protocol string) *series {
	return &series{
		endpoint: endpoint,
		protocol: protocol,
		duration: m.duration.WithLabelValues(endpoint, protocol),
		inFlight: m.inFlight.WithLabelValues(endpoint, protocol),
		ok:       m.requests.WithLabelValues(endpoint, protocol, rpcerr.Name(codes.OK)),
		count: func(code codes.Code) prometheus.Counter {
			return m.requests.WithLabelValues(endpoint, protocol, rpcerr.Name(code))
		},
	}
}

// measure counts calls, and tells those outside of it how long they took.
func measure(m *Metrics) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		k := &known{metrics: m}
		return func(ctx context.Context, req server.Request, rsp any) error {
			c := call.FromContext(ctx)
			s := k.of(c)
			s.inFlight.Inc()
			err := next(ctx, req, rsp)
			s.inFlight.Dec()
			c.Took = time.Since(c.Start)
			if !c.Stream {
				s.duration.Observe(c.Took.Seconds())
			}
			if err == nil {
				s.ok.Inc()
			} else {
				s.failed(rpcerr.Code(err)).Inc()
			}
			return err
		}
	}
}
