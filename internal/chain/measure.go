package chain

import (
	"context"
	"maps"
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

	mu    sync.Mutex // of who replaces found
	found atomic.Pointer[map[endpointProtocol]*series]
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

type endpointProtocol struct{ endpoint, protocol string }

// series are the metrics of one endpoint over one protocol, found once.
type series struct {
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

func (m *Metrics) of(c *call.Call) *series {
	key := endpointProtocol{c.Endpoint, c.Protocol}
	if all := m.found.Load(); all != nil && (*all)[key] != nil {
		return (*all)[key]
	}
	return m.find(c, key)
}

// find finds what was not asked for before. There are few, so each is added to a copy.
func (m *Metrics) find(c *call.Call, key endpointProtocol) *series {
	s := &series{
		duration: m.duration.WithLabelValues(c.Endpoint, c.Protocol),
		inFlight: m.inFlight.WithLabelValues(c.Endpoint, c.Protocol),
		ok:       m.requests.WithLabelValues(c.Endpoint, c.Protocol, rpcerr.Name(codes.OK)),
		count: func(code codes.Code) prometheus.Counter {
			return m.requests.WithLabelValues(key.endpoint, key.protocol, rpcerr.Name(code))
		},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[endpointProtocol]*series{key: s}
	if before := m.found.Load(); before != nil {
		maps.Copy(all, *before)
	}
	m.found.Store(&all)
	return s
}

func measure(m *Metrics) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			c := call.FromContext(ctx)
			s := m.of(c)
			s.inFlight.Inc()
			err := next(ctx, req, rsp)
			s.inFlight.Dec()
			if !c.Stream {
				s.duration.Observe(time.Since(c.Start).Seconds())
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
