package fleet

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What loads are of. A look may be late, by the time that it takes.
const (
	rateOver     = 5*time.Second + slack
	quantileOver = 10*time.Second + slack
	slack        = 500 * time.Millisecond
	maxOld       = 30 * time.Second // of a sample that loads are of
)

// sample is what an instance has counted by a time.
type sample struct {
	at, started             time.Time // of the process; zero: not known
	calls, errors, inFlight float64
	buckets                 buckets
}

// samples are those of one instance, oldest first.
type samples []sample

// add takes the next sample. Who counts less than before has begun anew, at nothing.
func (all samples) add(s sample) samples {
	if n := len(all); n > 0 && s.restarted(all[n-1]) {
		all = samples{{at: all[n-1].at, started: s.started}}
	}
	all = append(all, s)
	for len(all) > 2 && s.at.Sub(all[1].at) > quantileOver || len(all) > 1 && s.at.Sub(all[0].at) > maxOld {
		all = slices.Delete(all, 0, 1)
	}
	return all
}

// restarted tells whether another process than before has counted s.
func (s sample) restarted(before sample) bool {
	return s.calls < before.calls || s.errors < before.errors || s.buckets.count() < before.buckets.count() ||
		!s.started.IsZero() && !before.started.IsZero() && !same(s.started, before.started)
}

// same tells whether two times of a start are of one: Linux tells it by a clock that may
// be set.
func same(a, b time.Time) bool { return a.Sub(b).Abs() < 2*time.Second }

// load returns the load by the last sample, and what its quantiles are of.
func (all samples) load() (Load, buckets) {
	now := all[len(all)-1]
	short, long := all.before(rateOver), all.before(quantileOver)
	period := now.at.Sub(short.at).Seconds()
	if period < slack.Seconds() { // a call would be many
		return Load{}, nil
	}
	recent := now.buckets.minus(long.buckets)
	return Load{
		Known: true,
		Calls: (now.calls - short.calls) / period, Errors: (now.errors - short.errors) / period,
		InFlight: int(now.inFlight),
		P50:      recent.quantile(.5), P99: recent.quantile(.99),
	}, recent
}

// before returns the oldest sample within d of the last, or else the one before that.
func (all samples) before(d time.Duration) sample {
	last := len(all) - 1
	i := slices.IndexFunc(all, func(s sample) bool { return all[last].at.Sub(s.at) <= d })
	if i == last && last > 0 {
		i = last - 1
	}
	return all[i]
}

// together is the load of several instances, of which recent has what the quantiles are of.
func together(loads []Load, recent []buckets) Load {
	var sum Load
	for _, l := range loads {
		if l.Known {
			sum.Known = true
			sum.Calls += l.Calls
			sum.Errors += l.Errors
			sum.InFlight += l.InFlight
		}
	}
	all := merge(recent)
	sum.P50, sum.P99 = all.quantile(.5), all.quantile(.99)
	return sum
}

// buckets are those of a histogram in order of their bounds, which are upper ones.
type buckets []bucket

type bucket struct{ bound, count float64 } // of all up to bound

func (b buckets) sort() {
	slices.SortFunc(b, func(x, y bucket) int { return cmp.Compare(x.bound, y.bound) })
}

// count is how many there are in all.
func (b buckets) count() float64 {
	if len(b) == 0 {
		return 0
	}
	return b[len(b)-1].count
}

// minus returns what b has more than before.
func (b buckets) minus(before buckets) buckets {
	more := make(buckets, 0, len(b))
	for _, x := range b {
		more = append(more, bucket{x.bound, max(0, x.count-before.upTo(x.bound))})
	}
	return more
}

// upTo is how many are at most a bound, by interpolation within a bucket.
func (b buckets) upTo(bound float64) float64 {
	i, found := slices.BinarySearchFunc(b, bound, func(x bucket, bound float64) int { return cmp.Compare(x.bound, bound) })
	lower := bucket{}
	if i > 0 {
		lower = b[i-1]
	}
	switch {
	case found:
		return b[i].count
	case i == len(b) || math.IsInf(b[i].bound, 1):
		return lower.count
	}
	return lower.count + (b[i].count-lower.count)*(bound-lower.bound)/(b[i].bound-lower.bound)
}

// merge adds histograms up, whose bounds may differ.
func merge(all []buckets) buckets {
	bounds := map[float64]bool{}
	var sum buckets
	for _, b := range all {
		for _, x := range b {
			if !bounds[x.bound] {
				bounds[x.bound] = true
				sum = append(sum, bucket{bound: x.bound})
			}
		}
	}
	sum.sort()
	for i := range sum {
		for _, b := range all {
			sum[i].count += b.upTo(sum[i].bound)
		}
	}
	return sum
}

// quantile is histogram_quantile of Prometheus: linear within a bucket, from 0 in the
// first; of the bucket without an end the bound before. It is zero where nothing was
// counted.
func (b buckets) quantile(q float64) time.Duration {
	rank := q * b.count()
	if rank <= 0 {
		return 0
	}
	i := slices.IndexFunc(b, func(x bucket) bool { return x.count >= rank })
	lower := bucket{}
	if i > 0 {
		lower = b[i-1]
	}
	at := lower.bound
	if !math.IsInf(b[i].bound, 1) {
		at += (b[i].bound - lower.bound) * (rank - lower.count) / (b[i].count - lower.count)
	}
	return seconds(at)
}

// seconds is a duration of at least nothing and at most a day.
func seconds(s float64) time.Duration {
	const most = 24 * time.Hour
	return time.Duration(min(max(0, s), most.Seconds()) * float64(time.Second))
}
