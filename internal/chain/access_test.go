package chain_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/rpcerr"
)

// took is a handler that needs some time.
func took(d time.Duration) server.HandlerFunc {
	return func(context.Context, server.Request, any) error {
		time.Sleep(d) // in a bubble
		return nil
	}
}

func TestAccess(t *testing.T) {
	type fields = map[string]any
	tests := map[string]struct {
		handler server.HandlerFunc
		want    fields // of the line that a unary call leaves, besides what all have
	}{
		"ok":   {fails(nil), fields{"level": "DEBUG", "code": "ok", "took": 0.0}},
		"slow": {took(2 * time.Second), fields{"level": "INFO", "code": "ok", "took": 2e9}},
		"no answer is one": {
			fails(rpcerr.New(codes.NotFound, "kv.not_found", "no such key")),
			fields{"level": "DEBUG", "code": "not_found", "reason": "kv.not_found", "message": "no such key", "took": 0.0},
		},
		"the caller left": {
			fails(context.Canceled),
			fields{"level": "DEBUG", "code": "canceled", "reason": "canceled", "message": "the caller has left", "cause": "context canceled", "took": 0.0},
		},
		"a refusal": {
			fails(rpcerr.New(codes.PermissionDenied, "auth.policy", "you may not")),
			fields{"level": "INFO", "code": "permission_denied", "reason": "auth.policy", "message": "you may not", "took": 0.0},
		},
		"a backend is away": {
			fails(rpcerr.New(codes.Unavailable, "kv.away", "try again").Because(errors.New("dial 10.0.0.1"))),
			fields{"level": "INFO", "code": "unavailable", "reason": "kv.away", "message": "try again", "cause": "dial 10.0.0.1", "took": 0.0},
		},
		"data loss": {
			fails(rpcerr.New(codes.DataLoss, "kv.lost", "the disk is broken")),
			fields{"level": "ERROR", "code": "data_loss", "reason": "kv.lost", "message": "the disk is broken", "took": 0.0},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out lines
				h := wrap(chain.New(with(t, func(c *chain.Config) { c.Log, c.Slow = out.logger(slog.LevelDebug), time.Second })), tt.handler)
				err := unary(t.Context(), h, call.HTTP{})
				want := fields{"msg": "call", "endpoint": "KV.Get", "protocol": "grpc", "peer": "127.0.0.1:4711", "resource": "billing/a"}
				maps.Copy(want, tt.want)
				if diff := cmp.Diff([]fields{want}, out.all(t)); diff != "" {
					t.Errorf("the log (-want +got):\n%s", diff)
				}
				if got := rpcerr.Name(rpcerr.Code(err)); got != tt.want["code"] {
					t.Errorf("the caller has %q, the log %q", got, tt.want["code"])
				}
			})
		})
	}
}

// TestAccessLevel: at info, calls that went well leave nothing, and cost nothing.
func TestAccessLevel(t *testing.T) {
	var out lines
	h := wrap(chain.New(with(t, func(c *chain.Config) { c.Log = out.logger(slog.LevelInfo) })), fails(nil))
	if err := unary(t.Context(), h, call.HTTP{}); err != nil || out.Len() > 0 {
		t.Errorf("got error %v, log %s", err, out.String())
	}
	h = wrap(chain.New(with(t, func(c *chain.Config) { c.Log = out.logger(slog.LevelInfo) })), fails(rpcerr.New(codes.NotFound, "r", "m")))
	wantError(t, unary(t.Context(), h, call.HTTP{}), codes.NotFound, "r")
	if out.Len() > 0 {
		t.Errorf("got log %s", out.String())
	}
}

func TestAccessStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		h := wrap(chain.New(with(t, func(c *chain.Config) { c.Log, c.Slow = out.logger(slog.LevelDebug), time.Second })),
			func(ctx context.Context, req server.Request, rsp any) error {
				time.Sleep(time.Hour) // a stream is never slow
				return drain(ctx, req, rsp)
			})
		if err := stream(t.Context(), h, "first/", "second/"); err != nil {
			t.Fatal(err)
		}
		if err := stream(t.Context(), h); err != nil { // left before it said what it wants
			t.Fatal(err)
		}
		want := map[string]any{
			"level": "DEBUG", "msg": "call", "endpoint": "KV.Watch", "protocol": "mucp", "peer": "127.0.0.1:4711",
			"code": "ok", "took": 3600e9,
		}
		first := map[string]any{"resource": "default/first/*"}
		maps.Copy(first, want)
		if diff := cmp.Diff([]map[string]any{first, want}, out.all(t)); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}

// TestInternalTold: what a handler says to its caller arrives, as with any other code.
func TestInternalTold(t *testing.T) {
	want := rpcerr.New(codes.Internal, "kv.broken", "shard 3 is broken")
	h := wrap(chain.New(with(t, nil)), fails(want.Because(errors.New("disk s3cret"))))
	if e := rpcerr.From(unary(t.Context(), h, call.HTTP{})); e.Code != want.Code || e.Message != want.Message {
		t.Errorf("the caller is told %v", e)
	}
}

// TestInternal: what went wrong stands in the log alone, under the trace that the
// caller is told.
func TestInternal(t *testing.T) {
	told := regexp.MustCompile(`^internal error \(trace ([0-9a-f]{32})\)$`)
	tests := map[string]struct {
		err error
		log []string
	}{
		"a plain error":         {errors.New("password s3cret"), []string{"password s3cret"}},
		"an error with a cause": {rpcerr.Fault("kv.broken", errors.New("disk s3cret")), []string{"disk s3cret"}},
		"of another service":    {status.Error(codes.Internal, "shard s3cret"), []string{"shard s3cret"}},
	}
	for name, tt := range tests {
		for parent, header := range map[string]call.HTTP{
			"": {}, "0af7651916cd43dd8448eb211c80319c": {"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
		} {
			t.Run(name+" "+parent, func(t *testing.T) {
				var out lines
				h := wrap(chain.New(with(t, func(c *chain.Config) { c.Log = out.logger(slog.LevelInfo) })), fails(tt.err))
				e := rpcerr.From(unary(t.Context(), h, header))
				m := told.FindStringSubmatch(e.Message)
				if e.Code != codes.Internal || m == nil {
					t.Fatalf("the caller is told %v %q", e.Code, e.Message)
				}
				if parent != "" && m[1] != parent {
					t.Errorf("the caller is told trace %s, and knows %s", m[1], parent)
				}
				for _, wire := range []string{e.Micro().Error(), e.Connect().Error(), status.Convert(e.GRPC(false)).String(), status.Convert(e.GRPC(true)).String()} {
					if strings.Contains(wire, "s3cret") {
						t.Errorf("the caller is told %s", wire)
					}
				}
				text := out.String()
				line := out.all(t)
				if len(line) != 1 || line[0]["level"] != "ERROR" || line[0]["trace"] != m[1] || line[0]["code"] != "internal" || line[0]["reason"] != e.Reason {
					t.Errorf("got log %v, want an error under trace %s", line, m[1])
				}
				for _, detail := range tt.log {
					if !strings.Contains(text, detail) {
						t.Errorf("%q is not in the log: %s", detail, text)
					}
				}
			})
		}
	}
}
