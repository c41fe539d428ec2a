package client

import (
	"context"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/codec"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/rpcerr"
)

// Protobuf makes the requests of c in protobuf, whatever its default is: values and
// numbers would grow in JSON.
func Protobuf(c client.Client) client.Client { return protobuf{c} }

type protobuf struct{ client.Client }

func (p protobuf) NewRequest(service, endpoint string, body any, opts ...client.RequestOption) client.Request {
	return p.Client.NewRequest(service, endpoint, body, append(opts, client.WithContentType("application/protobuf"))...)
}

// Read opens a server stream with the request in and calls yield with what comes, until
// that returns false, which is no error, or the stream ends. It ends with ctx at once,
// but up to some seconds later while it still connects or if the service has fallen
// silent.
func Read[Rsp any](ctx context.Context, c client.Client, service, endpoint string, in proto.Message, opts []client.CallOption, yield func(*Rsp) bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	req := c.NewRequest(service, endpoint, in.ProtoReflect().New().Interface())
	// While it opens a stream, go-micro's client cannot end it without a data race.
	stream, err := c.Stream(context.WithoutCancel(ctx), req, append(streamOptions(), opts...)...)
	if err != nil {
		return err
	}
	defer stream.Close() //nolint:errcheck // the caller has what it wants, or a better error
	if err := stream.Send(in); err != nil {
		return err
	}
	defer endWith(ctx, c.String(), req, stream)()
	for {
		rsp := new(Rsp)
		if err := stream.Recv(rsp); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !yield(rsp) {
			return nil
		}
	}
}

// ReadLively is Read of a service that says something from time to time: it ends as
// unavailable if nothing came for so long, but for the time that yield takes.
func ReadLively[Rsp any](ctx context.Context, c client.Client, service, endpoint string, in proto.Message, silence time.Duration, opts []client.CallOption, yield func(*Rsp) bool) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	err := Read(reading, c, service, endpoint, in, opts, func(rsp *Rsp) bool {
		silent.Stop()
		more := yield(rsp)
		silent.Reset(silence)
		return more
	})
	if err != nil && reading.Err() != nil && ctx.Err() == nil {
		return rpcerr.New(codes.Unavailable, "silent", "nothing came for %v", silence)
	}
	return err
}

// streamOptions are those of a stream, which ends with its context alone.
func streamOptions() []client.CallOption {
	return []client.CallOption{client.WithRetries(0), client.WithStreamTimeout(0)}
}

// silence is how long a service has to say that a stream is over.
const silence = 3 * time.Second

// endWith makes Recv return once ctx is done, which go-micro RPC does not. What it
// returns must be called before the stream is closed.
func endWith(ctx context.Context, protocol string, req client.Request, stream client.Stream) func() {
	returned, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		// In go-micro RPC, Close and a Recv that gets a message race for one buffer.
		// So this says only that it is over, as Close would; the answer ends Recv.
		if w := req.Codec(); w != nil && protocol == "mucp" {
			_ = w.Write(&codec.Message{ // else time ends it
				Target: req.Service(), Method: req.Method(), Endpoint: req.Endpoint(), Type: codec.Error, Error: endOfStream,
			}, nil)
			timer := time.NewTimer(silence)
			defer timer.Stop()
			select {
			case <-returned:
				return
			case <-timer.C:
			}
		}
		_ = stream.Close() // wakes Recv
	})
	return func() {
		close(returned)
		if !stop() {
			<-ended
		}
	}
}

// endOfStream is what go-micro's client ends a stream with.
const endOfStream = "EOS"
