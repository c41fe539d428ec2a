package client_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	microclient "go-micro.dev/v5/client"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// count reads Echo.Count.
func count(ctx context.Context, c microclient.Client, req *echopb.CountRequest, yield func(*echopb.CountResponse) bool) error {
	return client.Read(ctx, c, "echo-srv", "Echo.Count", req, nil, yield)
}

func TestRead(t *testing.T) {
	ended := make(chan string, 1)
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{Ended: func(protocol string) { ended <- protocol }}))
	// ends awaits the handler's end.
	ends := func(t *testing.T) {
		t.Helper()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the handler goes on")
		}
	}
	t.Run("all", func(t *testing.T) {
		var next int32
		err := count(t.Context(), p.Client, &echopb.CountRequest{Count: 1000, Size: 100}, func(m *echopb.CountResponse) bool {
			if m.GetIndex() != next || len(m.GetPayload()) != 100 {
				t.Errorf("message %d: got %d with %d bytes", next, m.GetIndex(), len(m.GetPayload()))
			}
			next++
			return true
		})
		if !errors.Is(err, io.EOF) || next != 1000 {
			t.Errorf("got %d messages, error %v, want 1000 and EOF", next, err)
		}
		ends(t)
	})
	t.Run("enough", func(t *testing.T) {
		n := 0
		err := count(t.Context(), p.Client, &echopb.CountRequest{Count: 10, Hold: true}, func(*echopb.CountResponse) bool { n++; return n < 5 })
		if err != nil || n != 5 {
			t.Errorf("got %d messages, error %v, want 5 and none", n, err)
		}
		ends(t)
	})
	t.Run("failure", func(t *testing.T) {
		n := 0
		err := count(t.Context(), p.Client, &echopb.CountRequest{Count: 2, Code: int32(codes.FailedPrecondition)}, func(*echopb.CountResponse) bool { n++; return true })
		if e := client.Error(err); e == nil || e.Code != codes.FailedPrecondition || e.Reason != "test.told" || n != 2 {
			t.Errorf("got %d messages, error %v", n, err)
		}
		ends(t)
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := count(ctx, p.Client, &echopb.CountRequest{Count: 1, Hold: true}, func(*echopb.CountResponse) bool { cancel(); return true })
		if err == nil {
			t.Error("it ended without an error")
		}
		ends(t)
	})
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := count(ctx, p.Client, &echopb.CountRequest{}, func(*echopb.CountResponse) bool { t.Error("got a message"); return false })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		err := client.Read(t.Context(), p.Client, "echo-srv", "Echo.Count", &echopb.CountRequest{}, []microclient.CallOption{microclient.WithAddress(nobody(t))},
			func(*echopb.CountResponse) bool { t.Error("got a message"); return false })
		if e := client.Error(err); e == nil || e.Code != codes.Unavailable {
			t.Errorf("got error %v, want unavailable", err)
		}
	})
	t.Run("no such method", func(t *testing.T) {
		err := client.Read(t.Context(), p.Client, "echo-srv", "Echo.None", &echopb.CountRequest{}, nil, func(*echopb.CountResponse) bool { return true })
		if e := client.Error(err); e == nil || e.Code != codes.Unimplemented {
			t.Errorf("got error %v, want unimplemented", err)
		}
	})
}

func TestProtobuf(t *testing.T) {
	json := microclient.NewClient(microclient.ContentType("application/json"))
	if got := json.NewRequest("s", "E.M", nil).ContentType(); got != "application/json" {
		t.Errorf("got %q before", got)
	}
	if got := client.Protobuf(json).NewRequest("s", "E.M", nil).ContentType(); got != "application/protobuf" {
		t.Errorf("got %q", got)
	}
}

// TestReadLively ends a stream that has fallen silent, and none whose reader takes its time.
func TestReadLively(t *testing.T) {
	p := hosttest.Run(t, nil, echo.Service(&echo.Handler{}))
	read := func(req *echopb.CountRequest, silence time.Duration, yield func()) (n int, err error) {
		err = client.ReadLively(t.Context(), p.Client, "echo-srv", "Echo.Count", req, silence, nil, func(*echopb.CountResponse) bool {
			n++
			yield()
			return true
		})
		return n, err
	}
	n, err := read(&echopb.CountRequest{Count: 3, Hold: true}, 200*time.Millisecond, func() {})
	if e := client.Error(err); n != 3 || e == nil || e.Code != codes.Unavailable || e.Reason != "silent" {
		t.Errorf("got %d messages, %v, want 3 and that it is silent", n, err)
	}
	const silence = 2 * time.Second
	slow := func() {
		timer := time.NewTimer(silence + 100*time.Millisecond)
		defer timer.Stop()
		<-timer.C
	}
	if n, err := read(&echopb.CountRequest{Count: 1}, silence, slow); !errors.Is(err, io.EOF) || n != 1 {
		t.Errorf("a slow reader: got %d messages, %v, want 1 and EOF", n, err)
	}
}
