package chain_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
)

// TestDeadlineContext: the deadline that the chain sets reaches whoever waits for it, in
// whatever way.
func TestDeadlineContext(t *testing.T) {
	type key struct{}
	errOver := errors.New("over")
	waits := map[string]func(context.Context) error{
		"Done":      func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"Err":       func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() },
		"Err, then": func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Second); return ctx.Err() },
		"a context of it": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		},
		"an earlier deadline": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errOver)
			defer cancel()
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), errOver) {
				return context.Cause(ctx)
			}
			return ctx.Err()
		},
		"a function": func(ctx context.Context) error {
			over := make(chan struct{})
			context.AfterFunc(ctx, func() { close(over) })
			<-over
			return ctx.Err()
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got error
				h := wrap(chain.New(with(t, func(c *chain.Config) { c.Timeout = time.Second })), func(ctx context.Context, _ server.Request, _ any) error {
					if err := ctx.Err(); err != nil {
						t.Errorf("at first: %v", err)
					}
					got = wait(ctx)
					return nil
				})
				if err := unary(t.Context(), h, call.HTTP{}); err != nil || !errors.Is(got, context.DeadlineExceeded) {
					t.Errorf("got %v, %v", got, err)
				}
			})
		})
	}
}

// TestDeadlineRelease: a context ends with its call, and with the caller.
func TestDeadlineRelease(t *testing.T) {
	for name, use := range map[string]func(context.Context) context.Context{
		"not looked at": func(ctx context.Context) context.Context { return ctx },
		"waited for":    func(ctx context.Context) context.Context { _ = ctx.Done(); return ctx },
		"a context of it": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			t.Cleanup(cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			var kept context.Context
			h := wrap(chain.New(with(t, nil)), func(ctx context.Context, _ server.Request, _ any) error {
				kept = use(ctx)
				if name == "waited for" { // the caller leaves
					leave()
					<-ctx.Done()
				}
				return kept.Err()
			})
			err := unary(ctx, h, call.HTTP{})
			leave()
			if left := name == "waited for"; left != (err != nil) {
				t.Errorf("got error %v", err)
			}
			<-kept.Done()
			if err := kept.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("after the call: %v", err)
			}
		})
	}
}
