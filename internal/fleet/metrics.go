package fleet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/micro/platform/internal/rpcerr"
)

// The metrics that are read; internal/chain counts the calls.
const (
	requests  = "rpc_server_requests_total"
	durations = "rpc_server_duration_seconds"
	inFlight  = "rpc_server_in_flight"
	started   = "process_start_time_seconds"
)

func wanted() []string { return []string{requests, durations, inFlight, started} }

// families asks for no other metrics (promhttp.HandlerFor). Who does not know it tells all.
func families() string { return url.Values{"name[]": wanted()}.Encode() }

// maxBounds is how many buckets are believed.
const maxBounds = 200

// parse reads metrics in the text format of Prometheus. It fails where none are wanted.
func parse(r io.Reader) (*sample, error) {
	text, err := pick(r)
	if err != nil {
		return nil, err
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	found, err := p.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("none of the metrics that are wanted")
	}
	var s sample
	for _, m := range found[requests].GetMetric() {
		n := m.GetCounter().GetValue()
		s.calls += n
		if !answered(m) {
			s.errors += n
		}
	}
	for _, m := range found[inFlight].GetMetric() {
		s.inFlight += m.GetGauge().GetValue()
	}
	for _, m := range found[started].GetMetric() {
		s.started = unix(m.GetGauge().GetValue())
	}
	if s.buckets, err = histogram(found[durations].GetMetric()); err != nil {
		return nil, err
	}
	if !sane(s.calls, s.errors, s.inFlight) {
		return nil, errors.New("counts that are none")
	}
	return &s, nil
}

// pick returns the lines of the metrics that are wanted.
func pick(r io.Reader) (io.Reader, error) {
	var b bytes.Buffer
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := strings.TrimPrefix(lines.Text(), "# TYPE ")
		if slices.ContainsFunc(wanted(), func(name string) bool { return strings.HasPrefix(text, name) }) {
			b.WriteString(lines.Text())
			b.WriteByte('\n')
		}
	}
	return &b, lines.Err()
}

// answered tells whether the calls that m counts got an answer: as the access log says.
func answered(m *dto.Metric) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == "code" {
			code, _ := rpcerr.ByName(l.GetValue()) // Unknown for what is no code
			return rpcerr.Answered(code)
		}
	}
	return false
}

// histogram adds the series up.
func histogram(series []*dto.Metric) (buckets, error) {
	sums := map[float64]float64{}
	for _, m := range series {
		for _, b := range m.GetHistogram().GetBucket() {
			if n := b.GetUpperBound(); !(n > 0 && n < 1<<32 || math.IsInf(n, 1)) {
				return nil, fmt.Errorf("a bucket that ends at %v", n)
			}
			sums[b.GetUpperBound()] += float64(b.GetCumulativeCount())
			if len(sums) > maxBounds {
				return nil, fmt.Errorf("more than %d buckets", maxBounds)
			}
		}
	}
	var all buckets
	for bound, n := range sums {
		all = append(all, bucket{bound, n})
	}
	all.sort()
	return all, nil
}

// sane tells whether numbers are counts.
func sane(all ...float64) bool {
	return !slices.ContainsFunc(all, func(n float64) bool { return math.IsNaN(n) || n < 0 || n > 1<<53 })
}

// unix is the time so many seconds after 1970; zero for what is none.
func unix(seconds float64) time.Time {
	if !(seconds > 0 && seconds < 1<<33) {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}
