package chain_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/rpcerr"
)

func TestLimit(t *testing.T) {
	calls := map[string]struct {
		call   func(context.Context, server.HandlerFunc) error
		other  func(context.Context, server.HandlerFunc) error
		reason string
	}{
		"calls": {
			func(ctx context.Context, h server.HandlerFunc) error { return unary(ctx, h, call.HTTP{}) },
			func(ctx context.Context, h server.HandlerFunc) error { return stream(ctx, h, "a") }, "too_many_calls",
		},
		"streams": {
			func(ctx context.Context, h server.HandlerFunc) error { return stream(ctx, h, "a") },
			func(ctx context.Context, h server.HandlerFunc) error { return unary(ctx, h, call.HTTP{}) }, "too_many_streams",
		},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrappers := chain.New(with(t, func(c *chain.Config) { c.MaxCalls, c.MaxStreams = 2, 2 }))
				release := make(chan error)
				held := wrap(wrappers, func(context.Context, server.Request, any) error { return <-release })
				free, panics := wrap(wrappers, fails(nil)), wrap(wrappers, func(context.Context, server.Request, any) error { panic("as told") })
				done := make(chan error)
				for range 2 {
					go func() { done <- tt.call(t.Context(), held) }()
				}
				synctest.Wait()
				for range 3 { // a refusal takes no place itself
					err := tt.call(t.Context(), free)
					wantError(t, err, codes.ResourceExhausted, tt.reason)
					if e := rpcerr.From(err); e.RetryAfter != time.Second || e.Message != "more than 2 "+name+" at once: try again in a second" {
						t.Errorf("got %q, again after %v", e.Message, e.RetryAfter)
					}
				}
				if err := tt.other(t.Context(), free); err != nil {
					t.Errorf("the others: %v", err)
				}
				release <- nil
				if err := <-done; err != nil {
					t.Error(err)
				}
				for range 3 {
					wantError(t, tt.call(t.Context(), panics), codes.Internal, "panic")
					if err := tt.call(t.Context(), free); err != nil {
						t.Errorf("with one place free: %v", err)
					}
				}
				release <- nil
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// deadline is a handler that tells how long it has.
func deadline(left *time.Duration) server.HandlerFunc {
	return func(ctx context.Context, _ server.Request, _ any) error {
		*left = -1
		if at, ok := ctx.Deadline(); ok {
			*left = time.Until(at)
		}
		return nil
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrappers := chain.New(with(t, func(c *chain.Config) { c.Timeout = 30 * time.Second }))
		var left time.Duration
		h := wrap(wrappers, deadline(&left))
		if err := unary(t.Context(), h, call.HTTP{}); err != nil || left != 30*time.Second {
			t.Errorf("a call without a deadline: has %v, error %v, want 30s", left, err)
		}
		if err := stream(t.Context(), h, "a"); err != nil || left != -1 {
			t.Errorf("a stream: has %v, error %v, want none", left, err)
		}
		for _, own := range []time.Duration{time.Second, time.Hour} {
			ctx, cancel := context.WithTimeout(t.Context(), own)
			if err := unary(ctx, h, call.HTTP{}); err != nil || left != own {
				t.Errorf("a call with %v: has %v, error %v", own, left, err)
			}
			cancel()
		}
		waits := wrap(wrappers, func(ctx context.Context, _ server.Request, _ any) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		wantError(t, unary(t.Context(), waits, call.HTTP{}), codes.DeadlineExceeded, "deadline_exceeded")
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("it took %v", got)
		}
	})
}

// TestOver: what is over before it begins does not reach the handler.
func TestOver(t *testing.T) {
	h := wrap(chain.New(with(t, nil)), func(context.Context, server.Request, any) error {
		t.Error("the handler runs")
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	wantError(t, unary(ctx, h, call.HTTP{}), codes.DeadlineExceeded, "deadline_exceeded")
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	wantError(t, unary(ctx, h, call.HTTP{}), codes.Canceled, "canceled")
	wantError(t, stream(ctx, h, "a"), codes.Canceled, "canceled")
}

func TestRecovery(t *testing.T) {
	var out lines
	wrappers := chain.New(with(t, func(c *chain.Config) { c.Log = out.logger(slog.LevelInfo) }))
	for name, what := range map[string]any{"text": "s3cret", "an error": context.Canceled, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			h := wrap(wrappers, func(context.Context, server.Request, any) error { panic(what) })
			for kind, err := range map[string]error{"unary": unary(t.Context(), h, call.HTTP{}), "stream": stream(t.Context(), h, "a")} {
				wantError(t, err, codes.Internal, "panic")
				if e := rpcerr.From(err); !strings.HasPrefix(e.Message, "internal error (trace ") {
					t.Errorf("%s: the caller is told %q", kind, e.Message)
				}
			}
			var msgs []any
			for _, line := range out.all(t) {
				msgs = append(msgs, line["msg"])
				if line["level"] != "ERROR" {
					t.Errorf("got %v, want an error", line)
				}
				if line["msg"] == "a handler panicked" && !strings.Contains(line["stack"].(string), "TestRecovery") {
					t.Errorf("the stack does not name what panicked: %v", line["stack"])
				}
			}
			if len(msgs) != 4 {
				t.Errorf("got lines %v, want one for the panic and one for the call, twice", msgs)
			}
		})
	}
}

// TestVital: what is vital is served however much else there is.
func TestVital(t *testing.T) {
	h := wrap(chain.New(with(t, func(c *chain.Config) {
		c.MaxCalls, c.MaxStreams = 0, 0
		c.Vital = func(endpoint string) bool { return endpoint == "KV.Get" }
	})), fails(nil))
	if err := unary(t.Context(), h, call.HTTP{}); err != nil {
		t.Errorf("a vital call: %v", err)
	}
	wantError(t, stream(t.Context(), h, "a"), codes.ResourceExhausted, "too_many_streams")
}
