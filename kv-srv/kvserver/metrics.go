package kvserver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/kv-srv/internal/store/memory"
)

// collector turns figures of one moment into metrics.
type collector struct {
	stats   func() memory.Stats
	figures []figure
}

type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(memory.Stats) float64
}

func memoryMetrics(s *memory.Store) prometheus.Collector {
	return &collector{stats: s.Stats, figures: []figure{
		gauge("kv_namespaces", "Namespaces that have items, watchers or a history.", func(s memory.Stats) float64 { return float64(s.Namespaces) }),
		gauge("kv_items", "Items, with those that are expired but not removed yet.", func(s memory.Stats) float64 { return float64(s.Items) }),
		gauge("kv_bytes", "Memory in use.", func(s memory.Stats) float64 { return float64(s.Bytes) }),
		gauge("kv_bytes_max", "Memory that may be in use.", func(s memory.Stats) float64 { return float64(s.MaxBytes) }),
		gauge("kv_watchers", "Watches that are open.", func(s memory.Stats) float64 { return float64(s.Watchers) }),
		counter("kv_evicted_total", "Items that gave their place to others.", func(s memory.Stats) float64 { return float64(s.Evicted) }),
		counter("kv_expired_total", "Items that were removed after their time.", func(s memory.Stats) float64 { return float64(s.Expired) }),
		counter("kv_lagging_total", "Watches that ended because they were read too slowly.", func(s memory.Stats) float64 { return float64(s.Lagging) }),
	}}
}

func gauge(name, help string, of func(memory.Stats) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(memory.Stats) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, of}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	for _, f := range c.figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(s))
	}
}
