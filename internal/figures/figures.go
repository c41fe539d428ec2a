// Package figures turns the figures of one moment into metrics.
package figures

import "github.com/prometheus/client_golang/prometheus"

// Of returns a collector of figures, which asks for them when it is asked.
func Of[T any](stats func() T, figures ...Figure[T]) prometheus.Collector {
	return &collector[T]{stats, figures}
}

// Figure is one metric.
type Figure[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(T) float64
}

// Gauge is what goes up and down.
func Gauge[T any](name, help string, of func(T) float64) Figure[T] {
	return Figure[T]{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of}
}

// Counter is what grows.
func Counter[T any](name, help string, of func(T) float64) Figure[T] {
	return Figure[T]{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, of}
}

type collector[T any] struct {
	stats   func() T
	figures []Figure[T]
}

// Describe implements prometheus.Collector.
func (c *collector[T]) Describe(to chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector[T]) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	for _, f := range c.figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(s))
	}
}
