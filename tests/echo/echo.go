// Package echo is a service that does what its caller says, for tests and benchmarks
// of the port.
package echo

import (
	"context"
	"errors"
	"io"
	"maps"
	"time"

	"go-micro.dev/v5/metadata"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/rpcerr"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// Service is echo-srv.
func Service(h *Handler) host.Service {
	return host.Service{Name: "echo-srv", Start: func(_ context.Context, to *host.Host) error {
		return echopb.RegisterEchoHandler(to.Server(), h)
	}}
}

// Handler implements echopb.EchoHandler.
type Handler struct {
	// Ended is called with the protocol of each stream that has ended; may be nil.
	Ended func(protocol string)
}

var _ echopb.EchoHandler = (*Handler)(nil)

// Call implements echopb.EchoHandler.
func (h *Handler) Call(ctx context.Context, req *echopb.CallRequest, rsp *echopb.CallResponse) error {
	if req.GetPanic() {
		panic("as told")
	}
	if d := req.GetSleep().AsDuration(); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c := codes.Code(req.GetCode()); c != codes.OK {
		return rpcerr.New(c, req.GetReason(), "%s", req.GetText())
	}
	rsp.Text, rsp.Payload = req.GetText(), req.GetPayload()
	if req.GetText() != "metadata" {
		return nil
	}
	md, _ := metadata.FromContext(ctx)
	rsp.Metadata = maps.Clone(md)
	if t, ok := ctx.Deadline(); ok {
		rsp.Left = durationpb.New(time.Until(t))
	}
	return nil
}

// Count implements echopb.EchoHandler.
func (h *Handler) Count(ctx context.Context, req *echopb.CountRequest, st echopb.Echo_CountStream) error {
	defer h.ended(ctx)
	for i := range req.GetCount() {
		if err := st.Send(&echopb.CountResponse{Index: i, Payload: Payload(int(i), int(req.GetSize()))}); err != nil {
			return err
		}
	}
	if req.GetHold() {
		<-ctx.Done()
		return ctx.Err()
	}
	if c := codes.Code(req.GetCode()); c != codes.OK {
		return rpcerr.New(c, "test.told", "as told")
	}
	return nil
}

// Payload is what the message numbered i carries.
func Payload(i, size int) []byte {
	b := make([]byte, size)
	for j := range b {
		b[j] = byte(i + j)
	}
	return b
}

// Chat implements echopb.EchoHandler.
func (h *Handler) Chat(ctx context.Context, st echopb.Echo_ChatStream) error {
	defer h.ended(ctx)
	for {
		in, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := st.Send(&echopb.ChatResponse{Text: in.GetText()}); err != nil {
			return err
		}
	}
}

// Collect implements echopb.EchoHandler.
func (h *Handler) Collect(ctx context.Context, st echopb.Echo_CollectStream) error {
	defer h.ended(ctx)
	rsp := &echopb.CollectResponse{}
	for {
		_, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return st.SendMsg(rsp)
		}
		if err != nil {
			return err
		}
		rsp.Count++
	}
}

func (h *Handler) ended(ctx context.Context) {
	if h.Ended == nil {
		return
	}
	if c := call.FromContext(ctx); c != nil {
		h.Ended(c.Protocol)
	}
}
