package kvserver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/figures"
	"github.com/micro/platform/kv-srv/internal/handler"
	"github.com/micro/platform/kv-srv/internal/lease"
	"github.com/micro/platform/kv-srv/internal/store/disk"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/ring"
)

func memoryMetrics(stats func() memory.Stats) prometheus.Collector {
	return figures.Of(stats,
		figures.Gauge("kv_namespaces", "Namespaces that have items or, in memory, watchers or a history.", func(s memory.Stats) float64 { return float64(s.Namespaces) }),
		figures.Gauge("kv_items", "Items, with those that are expired but not removed yet.", func(s memory.Stats) float64 { return float64(s.Items) }),
		figures.Gauge("kv_bytes", "Bytes of memory or disk in use.", func(s memory.Stats) float64 { return float64(s.Bytes) }),
		figures.Gauge("kv_bytes_max", "Memory that may be in use.", func(s memory.Stats) float64 { return float64(s.MaxBytes) }),
		figures.Gauge("kv_watchers", "Watches that are open.", func(s memory.Stats) float64 { return float64(s.Watchers) }),
		figures.Counter("kv_evicted_total", "Items that gave their place to others.", func(s memory.Stats) float64 { return float64(s.Evicted) }),
		figures.Counter("kv_expired_total", "Items that were removed after their time.", func(s memory.Stats) float64 { return float64(s.Expired) }),
		figures.Counter("kv_lagging_total", "Watches that ended because they were read too slowly.", func(s memory.Stats) float64 { return float64(s.Lagging) }),
	)
}

// ringMetrics are those of the memory of this node, and what it does for others.
func ringMetrics(s *ring.Store) prometheus.Collector {
	return both{memoryMetrics(s.Stats), figures.Of(s.Progress,
		figures.Gauge("kv_ring_nodes", "Nodes of the ring that this one knows, itself included.", func(s ring.Stats) float64 { return float64(s.Nodes) }),
		figures.Gauge("kv_ring_moving", "Slots to bring up to date on other nodes.", func(s ring.Stats) float64 { return float64(s.Moving) }),
		figures.Counter("kv_ring_moved_total", "Items sent to other nodes to that end.", func(s ring.Stats) float64 { return float64(s.Moved) }),
		figures.Counter("kv_ring_conflicts_total", "Items that were written on both sides of a partition, and of which the later one stayed.", func(s ring.Stats) float64 { return float64(s.Conflicts) }),
	)}
}

// both is two collectors in one.
type both [2]prometheus.Collector

// Describe implements prometheus.Collector.
func (b both) Describe(to chan<- *prometheus.Desc) {
	b[0].Describe(to)
	b[1].Describe(to)
}

// Collect implements prometheus.Collector.
func (b both) Collect(to chan<- prometheus.Metric) {
	b[0].Collect(to)
	b[1].Collect(to)
}

func diskMetrics(s *disk.Store) prometheus.Collector {
	return figures.Of(s.Stats,
		figures.Gauge("kv_namespaces", "Namespaces that have items or, in memory, watchers or a history.", func(s disk.Stats) float64 { return float64(s.Namespaces) }),
		figures.Gauge("kv_items", "Items, with those that are expired but not removed yet.", func(s disk.Stats) float64 { return float64(s.Items) }),
		figures.Gauge("kv_bytes", "Bytes of memory or disk in use.", func(s disk.Stats) float64 { return float64(s.Bytes) }),
		figures.Gauge("kv_bytes_free", "Disk space that is left.", func(s disk.Stats) float64 { return float64(s.Free) }),
		figures.Gauge("kv_watchers", "Watches that are open.", func(s disk.Stats) float64 { return float64(s.Watchers) }),
		figures.Counter("kv_expired_total", "Items that were removed after their time.", func(s disk.Stats) float64 { return float64(s.Expired) }),
		figures.Counter("kv_lagging_total", "Watches that ended because they were read too slowly.", func(s disk.Stats) float64 { return float64(s.Lagging) }),
	)
}

func leaseMetrics(h *handler.Handler) prometheus.Collector {
	return figures.Of(h.Leases,
		figures.Gauge("kv_leases", "Leases on keys.", func(s lease.Stats) float64 { return float64(s.Leases) }),
		figures.Gauge("kv_lease_waiters", "Calls that wait for what another is to put.", func(s lease.Stats) float64 { return float64(s.Waiting) }),
		figures.Counter("kv_leases_total", "Leases that were taken.", func(s lease.Stats) float64 { return float64(s.Taken) }),
		figures.Counter("kv_leases_expired_total", "Leases that ended by their time: nobody wrote to the key.", func(s lease.Stats) float64 { return float64(s.Expired) }),
		figures.Counter("kv_leases_unkept_total", "Leases that were granted and could not be kept, for there were too many.", func(s lease.Stats) float64 { return float64(s.Unkept) }),
	)
}
