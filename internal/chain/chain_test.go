package chain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/chain"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/internal/tracing"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// with returns a Config that hinders nobody, but for what change does to it.
func with(t testing.TB, change func(*chain.Config)) chain.Config {
	t.Helper()
	metrics, err := chain.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c := chain.Config{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Propagator: tracing.Propagator(),
		MaxCalls: 100, MaxStreams: 100, Timeout: time.Minute, Slow: time.Minute,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// wrap puts a handler inside of the chain.
func wrap(wrappers []server.HandlerWrapper, h server.HandlerFunc) server.HandlerFunc {
	for _, w := range slices.Backward(wrappers) {
		h = w(h)
	}
	return h
}

// fails is a handler that answers err.
func fails(err error) server.HandlerFunc {
	return func(context.Context, server.Request, any) error { return err }
}

// unary makes a call of KV.Get.
func unary(ctx context.Context, h server.HandlerFunc, header call.HTTP) error {
	c := &call.Call{Endpoint: "KV.Get", Protocol: call.GRPC, Peer: "127.0.0.1:4711", Headers: header}
	return h(call.NewContext(ctx, c), request{body: &kvpb.GetRequest{Namespace: "billing", Key: "a"}}, &kvpb.GetResponse{})
}

// stream makes a call of KV.Watch, for the prefixes one after the other.
func stream(ctx context.Context, h server.HandlerFunc, prefixes ...string) error {
	c := &call.Call{Endpoint: "KV.Watch", Protocol: call.MuCP, Stream: true, Peer: "127.0.0.1:4711", Headers: call.HTTP{}}
	var messages []*kvpb.WatchRequest
	for _, p := range prefixes {
		messages = append(messages, &kvpb.WatchRequest{Prefix: p})
	}
	return h(call.NewContext(ctx, c), request{}, &received{messages: messages})
}

// request is a server.Request of which the chain asks little.
type request struct {
	server.Request

	body any
}

func (r request) Body() any        { return r.body }
func (r request) Endpoint() string { return "KV.Get" }

// received is a stream of what a caller has sent.
type received struct {
	server.Stream

	messages []*kvpb.WatchRequest
}

func (r *received) Recv(msg any) error {
	if len(r.messages) == 0 {
		return io.EOF
	}
	reflect.ValueOf(msg).Elem().FieldByName("Prefix").SetString(r.messages[0].GetPrefix())
	r.messages = r.messages[1:]
	return nil
}

// drain is the handler of a stream that reads until an error.
func drain(_ context.Context, _ server.Request, rsp any) error {
	for {
		if err := rsp.(server.Stream).Recv(new(kvpb.WatchRequest)); err == io.EOF { //nolint:errorlint // what received returns
			return nil
		} else if err != nil {
			return err
		}
	}
}

// lines collects a log.
type lines struct{ bytes.Buffer }

func (l *lines) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
}

// all returns the lines without their time.
func (l *lines) all(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for dec := json.NewDecoder(&l.Buffer); dec.More(); {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		delete(line, slog.TimeKey)
		all = append(all, line)
	}
	return all
}

// wantError checks the code and the reason of an error.
func wantError(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	e := rpcerr.From(err)
	if e == nil {
		e = &rpcerr.Error{}
	}
	if e.Code != code || e.Reason != reason {
		t.Errorf("got %v with reason %q, want %v with %q", err, e.Reason, code, reason)
	}
}
