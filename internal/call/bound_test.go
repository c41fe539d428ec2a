package call_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/micro/platform/internal/call"
)

// TestBounds: a context ends with its own call, and no other: neither with those before it
// that the same caller has made, nor with those after it.
func TestBounds(t *testing.T) {
	c, ended := &call.Call{}, call.NewEnded()
	const calls = 100
	var kept []context.Context
	for i := range calls {
		b := c.Bound(context.WithValue(t.Context(), keptKey{}, i), time.Now().Add(time.Hour))
		if i%3 == 0 {
			_ = b.Done() // somebody waits
		}
		if err := b.Err(); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		b.Release(ended)
		kept = append(kept, b)
	}
	open := c.Bound(t.Context(), time.Now().Add(time.Hour))
	for i, ctx := range kept {
		<-ctx.Done()
		if err := ctx.Err(); !errors.Is(err, context.Canceled) || ctx.Value(keptKey{}) != i {
			t.Errorf("call %d after its end: error %v, value %v", i, err, ctx.Value(keptKey{}))
		}
	}
	if err := open.Err(); err != nil {
		t.Errorf("the call after them: %v", err)
	}
	open.Release(ended)
}

type keptKey struct{}
