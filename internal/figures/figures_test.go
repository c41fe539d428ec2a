package figures_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/micro/platform/internal/figures"
)

func TestOf(t *testing.T) {
	type stats struct{ open, calls int }
	asked := 0
	collector := figures.Of(func() stats {
		asked++
		return stats{open: 7, calls: asked}
	},
		figures.Gauge("test_open", "What is open.", func(s stats) float64 { return float64(s.open) }),
		figures.Counter("test_calls_total", "Times asked.", func(s stats) float64 { return float64(s.calls) }),
		figures.Gauge("test_calls", "The same, as of the same moment.", func(s stats) float64 { return float64(s.calls) }),
	)
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector); err != nil {
		t.Fatal(err)
	}
	if asked != 0 {
		t.Errorf("registering asks %d times for figures", asked)
	}
	for _, times := range []float64{1, 2} { // each time they are asked for once
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			m := f.GetMetric()[0]
			got[fmt.Sprintf("%v %s: %s", f.GetType(), f.GetName(), f.GetHelp())] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		want := map[string]float64{
			"GAUGE test_open: What is open.":                     7,
			"COUNTER test_calls_total: Times asked.":             times,
			"GAUGE test_calls: The same, as of the same moment.": times,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if err := registry.Register(collector); err == nil {
		t.Error("registered twice: got no error")
	}
}
