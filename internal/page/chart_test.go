package page_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/page"
)

// gapped is a chart with values that are none.
func gapped() page.Chart {
	begin := time.UnixMilli(1_700_000_000_500)
	return page.Chart{
		ID: "calls", Title: `<script>"`, Unit: "/s", Times: []time.Time{begin, begin.Add(time.Second), begin.Add(2 * time.Second), begin.Add(3 * time.Second)},
		Series: []page.Series{{Name: "reads", Values: []float64{math.NaN(), 1, 2, 1}}, {Name: "writes", Values: []float64{math.Inf(1), 0, math.Inf(-1), math.NaN()}}},
	}
}

func TestChartJSON(t *testing.T) {
	text, err := gapped().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"title": `<script>"`, "unit": "/s", "names": []any{"reads", "writes"},
		"data": []any{
			[]any{1.7000000005e9, 1.7000000015e9, 1.7000000025e9, 1.7000000035e9},
			[]any{nil, 1.0, 2.0, 1.0}, []any{nil, 0.0, nil, nil},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChartWithoutScript(t *testing.T) {
	if got, want := gapped().Says(), "reads 1/s, at most 2/s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (page.Chart{Series: []page.Series{{Name: "reads"}}}).Says(), "nothing yet"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	svg := string(gapped().Lines())
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("got %s", svg)
	}
	for _, want := range []string{`points="200.0,60.0 400.0,2.0 600.0,60.0 "`, `points="200.0,118.0 "`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
}
