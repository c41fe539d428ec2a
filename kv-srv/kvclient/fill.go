package kvclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rpc "github.com/micro/platform/internal/client"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// FillOption is TTL, Metadata, Lease, Stale or SaveFailure.
type FillOption interface{ fill(*filling) }

// Lease is how long a fill may take before another caller is to do it, too: from 1ms to 1m,
// better more than it ever takes. Without it that is 5s.
type Lease time.Duration

func (d Lease) fill(f *filling) { f.lease = time.Duration(d) }

// Stale is how long before its end an item is filled again, from 1ms to 10 years. One caller
// does that, and the others have the old item meanwhile. Without it an item is filled when
// there is none.
type Stale time.Duration

func (d Stale) fill(f *filling) { f.stale = time.Duration(d) }

func (t TTL) fill(f *filling)      { f.puts = append(f.puts, t) }
func (m Metadata) fill(f *filling) { f.puts = append(f.puts, m) }

// SaveFailure sets *err to what went wrong where GetOrFill has an item all the same, nil if
// nothing did.
func SaveFailure(err *error) FillOption { return saveFailure{err} }

type saveFailure struct{ to *error }

func (s saveFailure) fill(f *filling) { f.failure = s.to }

// filling is what options say about GetOrFill.
type filling struct {
	lease, stale time.Duration
	puts         []PutOption
	failure      *error
}

const (
	defaultLease = 5 * time.Second

	// giveBackTime bounds what whoever could not fill takes to say so.
	giveBackTime = time.Second

	// neverVersion is one that no item has.
	neverVersion = math.MaxInt64
)

// GetOrFill returns the item under a key. Where there is none, one of all who ask for it calls
// fill, with its own ctx, and stores the value; the others wait and have the same item. If
// the value is not there when Lease is over, the next of them calls fill.
//
// An error of fill is returned, so that errors.Is finds it, and the next caller calls fill.
// But where Stale has an item filled again before its end, that item is returned, and fill
// called again when Lease is over.
//
// The service is no reason to fail. Where it is away, busy or full, or does not answer within
// Lease and five seconds, GetOrFill calls fill and returns what it could not store: an item
// without Version. Then each process calls fill once at a time for a key, and fill has to
// bear that. What is wrong with the call itself, or not allowed, is an error.
//
// Callers of one Client share one call for a key, that of the first of them, which may have
// begun before theirs. One that leaves takes nobody along: if it was to call fill, the next
// does. Options and fill of a key should thus be the same everywhere. An item that was just
// filled has the times of this process' clock.
//
// A lease binds nobody. Who changes what fill reads puts the new value, or calls Delete after
// the change; a fill that began before it may still store what it has read.
func (c *Client) GetOrFill(ctx context.Context, key string, fill func(context.Context) ([]byte, error), opts ...FillOption) (Item, error) {
	f := filling{lease: defaultLease}
	for _, o := range opts {
		o.fill(&f)
	}
	if i, ok := c.near.Get(key); ok && (i.Expires.IsZero() || time.Until(i.Expires) >= f.stale) {
		if f.failure != nil {
			*f.failure = nil
		}
		return Item(i), nil
	}
	r, err := c.flights.do(ctx, key, func(share func(filled)) filled { return c.getOrFill(ctx, key, fill, f, share) })
	if err != nil {
		return Item{}, failed(ctx, "fill", key, err)
	}
	if f.failure != nil {
		*f.failure = r.failure
	}
	return r.item, r.err
}

// filled is how GetOrFill ends.
type filled struct {
	item    Item
	failure error // that was no reason to fail
	err     error
}

// getOrFill tells the others of a stale item before it fills it again.
func (c *Client) getOrFill(ctx context.Context, key string, fill func(context.Context) ([]byte, error), f filling, share func(filled)) filled {
	patience := time.Now().Add(f.lease + rpc.DefaultTimeout)
	rsp, err := c.getLeased(ctx, patience, key, f)
	var away error
	switch {
	case err == nil && !rsp.GetLeased():
		return filled{item: item(rsp.GetItem())}
	case err == nil, errors.Is(err, ErrNotFound): // of a service that knows no leases
	case over(ctx, patience, err) || wrong(err):
		return filled{err: err}
	default:
		away = err
	}
	old := rsp.GetItem()
	if old != nil {
		share(filled{item: item(old)})
	}
	value, err := fill(ctx)
	switch {
	case err != nil && old != nil:
		return filled{item: item(old), failure: fillError(key, err)}
	case err != nil:
		if away == nil {
			c.giveBack(ctx, key)
		}
		return filled{err: fillError(key, err)}
	case away != nil:
		return filled{item: f.item(key, value), failure: away}
	}
	return c.putFilled(ctx, f.item(key, value), f)
}

// getLeased returns an item, or the lease on its key, or both.
func (c *Client) getLeased(ctx context.Context, patience time.Time, key string, f filling) (*kvpb.GetResponse, error) {
	ctx, cancel := context.WithDeadline(ctx, patience)
	defer cancel()
	req := &kvpb.GetRequest{Namespace: c.namespace, Key: key, Lease: durationpb.New(f.lease), Stale: duration(f.stale)}
	asked := c.ask(key)
	rsp, err := c.kv.Get(ctx, req, c.call(ctx, again)...)
	err = failed(ctx, "get", key, err)
	if err == nil && rsp.GetItem() == nil {
		asked.Missing()
		return rsp, nil
	}
	_, err = c.answered(asked, item(rsp.GetItem()), err)
	return rsp, err
}

// putFilled stores what was filled, if that can be.
func (c *Client) putFilled(ctx context.Context, i Item, f filling) filled {
	version, err := c.Put(ctx, i.Key, i.Value, f.puts...)
	if err == nil {
		i.Version = version
		return filled{item: i}
	}
	c.giveBack(ctx, i.Key)
	if wrong(err) {
		return filled{err: err}
	}
	return filled{item: i, failure: err}
}

// giveBack ends the lease on a key without an item, by a Delete that can delete nothing. If
// the service is not told, the lease ends by its time.
func (c *Client) giveBack(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	req := &kvpb.DeleteRequest{Namespace: c.namespace, Key: key, IfVersion: neverVersion}
	_, _ = c.kv.Delete(ctx, req, c.call(ctx, again)...) // without a request ID, for which there may be no room
}

// item is what a filled value becomes when it is stored now.
func (f filling) item(key string, value []byte) Item {
	var req kvpb.PutRequest
	for _, o := range f.puts {
		o.put(&req)
	}
	i := Item{Key: key, Value: value, Updated: time.Now(), Metadata: req.GetMetadata()}
	if req.GetTtl() != nil {
		i.Expires = i.Updated.Add(req.GetTtl().AsDuration())
	}
	return i
}

func fillError(key string, err error) error { return fmt.Errorf("kv fill %q: %w", key, err) }

// over tells whether a call failed since its caller's time is over, which the service may see
// a moment before ctx does, and not since patience is.
func over(ctx context.Context, patience time.Time, err error) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && end.Before(patience) && errors.Is(err, context.DeadlineExceeded)
}

// wrong tells an error of the call from one of the service.
func wrong(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "invalid_argument", "failed_precondition", "unauthenticated", "permission_denied", "unimplemented":
		return true
	}
	return false
}
