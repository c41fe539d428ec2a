package reflection

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A Call is one call of a method of any kind.
type Call struct {
	Method protoreflect.MethodDescriptor

	// Next returns what to send, and io.EOF after the last of it. Any other error
	// ends the call. It is asked once where the caller sends one message.
	Next func() (proto.Message, error)

	// Emit takes each answer as it arrives. Its error ends the call.
	Emit func(proto.Message) error
}

// Do makes the call. It returns an error of Next or Emit as it is, and a gRPC status
// for anything else that went wrong. Where the server ends the call first, Do does not
// wait for a Next that waits for input.
func (c Call) Do(ctx context.Context, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st, err := conn.NewStream(ctx, &grpc.StreamDesc{
		StreamName:    string(c.Method.Name()),
		ClientStreams: c.Method.IsStreamingClient(),
		ServerStreams: c.Method.IsStreamingServer(),
	}, Path(c.Method))
	if err != nil {
		return err
	}
	if c.Method.IsStreamingClient() {
		go func() {
			if err := c.sendAll(st); err != nil {
				cancel(inputError{err})
			}
		}()
	} else if err := c.sendOne(st); err != nil {
		return err
	}
	err = c.receive(st)
	if input, ok := errors.AsType[inputError](context.Cause(ctx)); ok {
		return input.error
	}
	return err
}

// inputError tells an error of Next from others.
type inputError struct{ error }

func (c Call) sendOne(st grpc.ClientStream) error {
	m, err := c.Next()
	if err != nil {
		return err
	}
	return send(st, m)
}

// sendAll sends until the input or the stream ends; why the stream ended is what
// receive returns.
func (c Call) sendAll(st grpc.ClientStream) error {
	for {
		m, err := c.Next()
		if errors.Is(err, io.EOF) {
			_ = st.CloseSend() // never fails
			return nil
		}
		if err != nil {
			return err
		}
		if err := st.SendMsg(m); err != nil {
			return nil //nolint:nilerr // see above
		}
	}
}

func send(st grpc.ClientStream, m proto.Message) error {
	if err := st.SendMsg(m); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return st.CloseSend() // after io.EOF, receive has the reason
}

func (c Call) receive(st grpc.ClientStream) error {
	for {
		m := dynamicpb.NewMessage(c.Method.Output())
		if err := st.RecvMsg(m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := c.Emit(m); err != nil {
			return err
		}
	}
}
