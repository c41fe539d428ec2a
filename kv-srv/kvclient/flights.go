package kvclient

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync"
)

// flights are the calls of GetOrFill that are under way. Unlike those of singleflight, each is
// made by one of its callers, with its context; if that one leaves, another begins anew.
type flights struct {
	mu  sync.Mutex
	all map[string]*flight // by key
}

type flight struct {
	others int           // who have waited for it; changes under mu
	landed chan struct{} // closed when they are told
	shared bool          // result is for them
	result filled
}

// do makes a call for a key, or has the result of one that is under way. A call may share a
// result before it ends. The error is that of ctx.
func (f *flights) do(ctx context.Context, key string, call func(share func(filled)) filled) (filled, error) {
	for {
		one, mine := f.join(key)
		if mine {
			return f.fly(ctx, key, one, call), nil
		}
		select {
		case <-one.landed:
		case <-ctx.Done():
			return filled{}, ctx.Err()
		}
		if one.shared {
			return one.result.clone(), nil
		}
	}
}

// join returns the call for a key that is under way, or one to make.
func (f *flights) join(key string) (one *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one, ok := f.all[key]; ok {
		one.others++
		return one, false
	}
	if f.all == nil {
		f.all = map[string]*flight{}
	}
	one = &flight{landed: make(chan struct{})}
	f.all[key] = one
	return one, true
}

// fly makes a call. Its result is not for others if it may have failed since its own caller
// left, nor if it panics.
func (f *flights) fly(ctx context.Context, key string, one *flight, call func(share func(filled)) filled) filled {
	defer f.land(key, one, filled{}, false)
	r := call(func(r filled) { f.land(key, one, r, true) })
	left := ctx.Err() != nil || errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded)
	f.land(key, one, r, r.err == nil || !left)
	return r
}

// land tells the others, the first time.
func (f *flights) land(key string, one *flight, r filled, shared bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[key] != one {
		return
	}
	delete(f.all, key)
	if one.shared = shared; shared && one.others > 0 {
		one.result = r.clone() // the caller may change its own
	}
	close(one.landed)
}

// clone is for one caller, who may change it.
func (r filled) clone() filled {
	r.item.Value, r.item.Metadata = bytes.Clone(r.item.Value), maps.Clone(r.item.Metadata)
	return r
}
