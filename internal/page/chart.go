package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// Chart is how values went. The template "chart" shows it as an image; where script runs,
// values can be read off it.
type Chart struct {
	ID     string // of the element, of letters, digits and dashes
	Title  string
	Unit   string // behind values: "/s"
	Times  []time.Time
	Series []Series
}

// Series is one line: a value for each of the times; NaN or an infinity where there is none.
type Series struct {
	Name   string
	Values []float64
}

// JSON is what the script draws: a list of seconds since 1970 and a list for each series.
func (c Chart) JSON() (string, error) {
	seconds := make([]float64, len(c.Times))
	for i, t := range c.Times {
		seconds[i] = float64(t.UnixMilli()) / 1e3
	}
	all := []any{seconds}
	var names []string
	for _, s := range c.Series {
		values := make([]any, len(s.Values))
		for i, v := range s.Values {
			if finite(v) {
				values[i] = v
			}
		}
		all = append(all, values)
		names = append(names, s.Name)
	}
	b, err := json.Marshal(map[string]any{"data": all, "names": names, "unit": c.Unit, "title": c.Title})
	return string(b), err
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Most is the largest value of all series.
func (c Chart) Most() float64 {
	most := 0.0
	for _, s := range c.Series {
		for _, v := range s.Values {
			if finite(v) {
				most = math.Max(most, v)
			}
		}
	}
	return most
}

// Says is the chart in words.
func (c Chart) Says() string {
	var all []string
	for _, s := range c.Series {
		if n := len(s.Values); n > 0 && finite(s.Values[n-1]) {
			all = append(all, fmt.Sprintf("%s %s%s", s.Name, Rate(s.Values[n-1]), c.Unit))
		}
	}
	switch {
	case len(all) == 0 && c.Most() == 0:
		return "nothing yet"
	case len(all) == 0:
		all = append(all, "nothing now")
	}
	return strings.Join(all, ", ") + ", at most " + Rate(c.Most()) + c.Unit
}

const chartWidth, chartHeight = 600, 120

// Lines is the image of a chart where no script runs.
func (c Chart) Lines() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true">`, chartWidth, chartHeight)
	most := c.Most()
	for i, s := range c.Series {
		fmt.Fprintf(&b, `<polyline class="line%d" points="`, i+1)
		for j, v := range s.Values {
			if !finite(v) || most == 0 {
				continue
			}
			x := float64(j) / math.Max(1, float64(len(s.Values)-1)) * chartWidth
			fmt.Fprintf(&b, "%.1f,%.1f ", x, chartHeight-v/most*(chartHeight-4)-2)
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // of digits
}
