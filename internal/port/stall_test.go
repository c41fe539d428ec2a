package port_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// heedless is echo-srv that sends until its context ends, whatever becomes of it.
type heedless struct{ echo.Handler }

func (h *heedless) Count(ctx context.Context, _ *echopb.CountRequest, st echopb.Echo_CountStream) error {
	msg := &echopb.CountResponse{Payload: echo.Payload(0, 10_000)}
	for ctx.Err() == nil {
		_ = st.Send(msg) // the chain hears of it nevertheless
	}
	return nil
}

// events is a page that has no end.
func events(ended chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var last error
		for r.Context().Err() == nil {
			_, err := w.Write(echo.Payload(0, 10_000))
			last = errors.Join(err, http.NewResponseController(w).Flush())
		}
		ended <- last
	}
}

// seen returns a wrapper that tells how each stream of Count has ended.
func seen(ended chan<- error) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			err := next(ctx, req, rsp)
			if c := call.FromContext(ctx); c.Stream && c.Endpoint == "Echo.Count" {
				ended <- err
			}
			return err
		}
	}
}

func wantStalled(t *testing.T, err error) {
	t.Helper()
	if e := rpcerr.From(err); e == nil || e.Code != codes.DeadlineExceeded || e.Reason != "stalled" {
		t.Errorf("got %v, want stalled", err)
	}
}

// TestStalled: a caller that takes no more ends its stream, alone.
func TestStalled(t *testing.T) {
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			c, conf := d.config(t)
			c.WriteTimeout = 600 * time.Millisecond
			ended := make(chan error, 10)
			c.Wrappers = append(c.Wrappers, seen(ended))
			leaves := nothing(t)
			s := port.New(context.WithoutCancel(t.Context()), c)
			s.HandleHTTP("/events", events(ended))
			if err := errors.Join(with(&heedless{})(s), s.Start()); err != nil {
				t.Fatal(err)
			}
			on := d.dial(t, s.Addr().String(), conf)
			other := on.beside(t)
			st := on.count(t, &echopb.CountRequest{})
			begin := time.Now()
			if err := st(); err != nil {
				t.Fatal(err)
			}
			wantStalled(t, receive(t, ended, "the handler to end"))
			if took := time.Since(begin); took < c.WriteTimeout {
				t.Errorf("it ended after %v", took)
			}
			for range 10 {
				if err := other(); err != nil {
					t.Fatalf("the other stream: %v", err)
				}
			}
			var err error
			for err == nil {
				err = st()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller hears %v", err)
			}
			if d.tells {
				wantStalled(t, err)
			}
			on.close()
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if len(ended) > 0 {
				t.Errorf("the chain has seen it once more: %v", <-ended)
			}
			leaves()
		})
	}
}

// TestSlowReader: who takes each message in time has as long as it likes.
func TestSlowReader(t *testing.T) {
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			c, conf := d.config(t)
			c.WriteTimeout = time.Second
			const steps, size = 25, 60_000
			messages := steps * d.step
			address := serve(t, c, with(&echo.Handler{}), func(s server.Server) error {
				s.(*port.Server).HandleHTTP("/events", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					for range messages {
						if _, err := w.Write(echo.Payload(0, size)); err != nil {
							t.Error(err)
							return
						}
					}
				}))
				return nil
			}).Addr().String()
			on := d.dial(t, address, conf)
			defer on.close()
			next := on.count(t, &echopb.CountRequest{Count: int32(messages), Size: size})
			tick := time.NewTicker(c.WriteTimeout / 10)
			defer tick.Stop()
			for n := range messages {
				if n%d.step == 0 {
					<-tick.C
				}
				if err := next(); err != nil {
					t.Fatalf("message %d of %d: %v", n, messages, err)
				}
			}
			if err := next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// TestStalledBothWays: a caller that sends and takes no answer.
func TestStalledBothWays(t *testing.T) {
	c := config()
	c.WriteTimeout = 300 * time.Millisecond
	conn := dial(t, serve(t, c, with(&echo.Handler{})).Addr().String(), grpc.WithInitialWindowSize(64<<10))
	for method, msg := range map[string]any{
		"/micro.test.v1.Echo/Chat":                                  &echopb.ChatRequest{Text: string(make([]byte, 10_000))},
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": askFile(),
	} {
		st, err := conn.NewStream(limited(t), both, method)
		if err != nil {
			t.Fatal(err)
		}
		var sent atomic.Int64
		go func() { // ends with the stream
			for st.SendMsg(msg) == nil {
				sent.Add(1)
			}
		}()
		for n := int64(-1); n != sent.Load(); { // until no more fits, and for long enough
			n = sent.Load()
			receive(t, time.After(3*c.WriteTimeout), "more")
		}
		for err == nil {
			err = st.RecvMsg(new(echopb.ChatResponse))
		}
		wantStalled(t, err)
	}
}

// TestStalledAnswers: large answers that nobody takes are not kept for ever.
func TestStalledAnswers(t *testing.T) {
	c := config()
	c.WriteTimeout = 300 * time.Millisecond
	conn := dial(t, serve(t, c, with(&echo.Handler{})).Addr().String(), grpc.WithInitialWindowSize(64<<10))
	ask := func() grpc.ClientStream {
		st, err := conn.NewStream(limited(t), &grpc.StreamDesc{ServerStreams: true}, "/micro.test.v1.Echo/Call")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(st.SendMsg(&echopb.CallRequest{Payload: make([]byte, 3<<20)}), st.CloseSend()); err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := ask()
	if _, err := st.Header(); err != nil { // which comes with what fits of the answer
		t.Fatal(err)
	}
	receive(t, time.After(2*c.WriteTimeout), "the answer to be late")
	if err := st.RecvMsg(new(echopb.CallResponse)); err != nil {
		t.Errorf("the answer: %v", err)
	}
	wantStalled(t, st.RecvMsg(new(echopb.CallResponse)))

	var last grpc.ClientStream
	for range 6 {
		last = ask()
	}
	if !conn.WaitForStateChange(limited(t), connectivity.Ready) {
		t.Fatal("the connection is still there")
	}
	var err error
	for err == nil {
		err = last.RecvMsg(new(echopb.CallResponse))
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want the connection to be closed", err)
	}
}

// TestStalledEnd: what net/http writes after the handler has returned is taken in time,
// too.
func TestStalledEnd(t *testing.T) {
	c, _, conf := secured(t, "billing.test")
	c.WriteTimeout = 300 * time.Millisecond
	const window = 64 << 10 // of the caller
	returned := make(chan error, 1)
	address := serve(t, c, func(s server.Server) error {
		s.(*port.Server).HandleHTTP("/events", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, window))
			_, failed := io.WriteString(w, "the end")
			returned <- errors.Join(err, failed)
		}))
		return nil
	}).Addr().String()
	on := over("")(t, address, conf)
	defer on.close()
	next := on.count(t, &echopb.CountRequest{})
	if err := receive(t, returned, "the handler to return"); err != nil {
		t.Fatal(err)
	}
	receive(t, time.After(2*c.WriteTimeout), "the end to be late")
	var err error
	for err == nil {
		err = next()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer has ended well: %v", err)
	}
}

// TestRequestLate: over gRPC, too, a request must arrive in time where its caller names
// none.
func TestRequestLate(t *testing.T) {
	c := config()
	c.Timeout = 300 * time.Millisecond
	conn := dial(t, serve(t, c, with(&echo.Handler{})).Addr().String())
	for _, method := range []string{"Call", "Count"} {
		t.Run(method, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context()) // names no deadline
			defer cancel()
			defer time.AfterFunc(patience, cancel).Stop()
			st, err := conn.NewStream(ctx, both, "/micro.test.v1.Echo/"+method)
			if err != nil {
				t.Fatal(err)
			}
			err = st.RecvMsg(new(echopb.CallResponse))
			if e := rpcerr.From(err); e == nil || e.Code != codes.DeadlineExceeded || e.Reason != "request_incomplete" {
				t.Errorf("got %v", err)
			}
		})
	}
}
