package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Each period has a lease of its own, by which etcd removes what was attached to it.
const (
	requestPeriod = 10 * time.Second
	markerPeriod  = 30 * time.Second
)

// leases hands out the lease of the period.
type leases struct {
	ttl, period time.Duration
	turn        chan struct{} // who holds it may use the rest
	id          clientv3.LeaseID
	until       time.Time
}

func newLeases(ttl, period time.Duration) leases {
	return leases{ttl: ttl, period: period, turn: make(chan struct{}, 1)}
}

// current returns a lease that lasts for ttl less one period at least.
func (l *leases) current(ctx context.Context, c *clientv3.Client) (clientv3.LeaseID, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-l.turn }()
	now := time.Now()
	if now.Before(l.until) {
		return l.id, nil
	}
	rsp, err := c.Grant(ctx, int64(l.ttl/time.Second))
	if err != nil {
		return 0, err
	}
	l.id, l.until = rsp.ID, now.Add(l.period)
	return l.id, nil
}

// forget is for a lease that etcd does not know.
func (l *leases) forget(id clientv3.LeaseID) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.id == id {
		l.until = time.Time{}
	}
}
