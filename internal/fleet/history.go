package fleet

import (
	"slices"
	"time"
)

// How much is kept.
const (
	maxHistories = 200
	maxPoints    = 600
	maxAge       = 10 * time.Minute
)

// history is the load of one service, oldest first.
type history struct{ points []Point }

func (h *history) add(p Point) {
	const least = lookWatched - slack // looks by hand may come at any pace
	if n := len(h.points); n > 0 && p.Time.Sub(h.points[n-1].Time) < least {
		return
	}
	h.points = append(h.points, p)
	old := 0
	for len(h.points)-old > maxPoints || p.Time.Sub(h.points[old].Time) > maxAge {
		old++
	}
	h.points = slices.Delete(h.points, 0, old)
}

// noteLoad adds a point to each history. The caller holds mu.
func (f *Fleet) noteLoad() {
	now := f.now()
	loads, recent := map[string][]Load{}, map[string][]buckets{}
	for k, i := range f.instances {
		loads[k.service] = append(loads[k.service], i.Load)
		recent[k.service] = append(recent[k.service], i.recent)
	}
	for name := range loads {
		h := f.histories[name]
		if h == nil {
			if len(f.histories) >= maxHistories {
				continue
			}
			h = &history{}
			f.histories[name] = h
		}
		h.add(Point{now, together(loads[name], recent[name])})
	}
}
