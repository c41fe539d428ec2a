package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// streams are calls of many small messages.
var streams = []struct {
	name     string
	messages int // of a call; for those that go both ways, each way
	dial     dialer
}{
	{"server stream", 500, dialStream("Count", count)},
	{"caller stream", 500, dialStream("Collect", collect)},
	{"ping-pong", 100, dialStream("Chat", pingPong)},
	{"both ways at once", 500, dialStream("Chat", talk)},
}

const messageSize = 100

// dialStream opens a stream of Echo for each call, which run ends.
func dialStream(method string, run func(grpc.ClientStream) error) dialer {
	both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	return func(address string, secure *tls.Config) (caller, func(), error) {
		c, err := dialGRPC(address, secure)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) error {
			st, err := c.NewStream(ctx, both, "/micro.test.v1.Echo/"+method)
			if err != nil {
				return err
			}
			return run(st)
		}, func() { _ = c.Close() }, nil
	}
}

func count(st grpc.ClientStream) error {
	if err := errors.Join(st.SendMsg(&echopb.CountRequest{Count: 500, Size: messageSize}), st.CloseSend()); err != nil {
		return err
	}
	return read(st, new(echopb.CountResponse), 500)
}

// read takes n messages and the end.
func read(st grpc.ClientStream, into any, n int) error {
	for i := range n {
		if err := st.RecvMsg(into); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	if err := st.RecvMsg(into); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the last message: %w", err)
	}
	return nil
}

func collect(st grpc.ClientStream) error {
	if err := write(st, &echopb.CollectRequest{Text: text}, 500); err != nil {
		return err
	}
	out := new(echopb.CollectResponse)
	if err := read(st, out, 1); err != nil {
		return err
	}
	if out.GetCount() != 500 {
		return fmt.Errorf("%d messages have arrived, want 500", out.GetCount())
	}
	return nil
}

var text = string(echo.Payload('0', messageSize)[:messageSize/2]) // of ASCII, for it must be UTF-8

// write sends n messages and the end.
func write(st grpc.ClientStream, m any, n int) error {
	for range n {
		if err := st.SendMsg(m); err != nil {
			return err
		}
	}
	return st.CloseSend()
}

// pingPong awaits each answer.
func pingPong(st grpc.ClientStream) error {
	in, out := &echopb.ChatRequest{Text: text}, new(echopb.ChatResponse)
	for range 100 {
		if err := st.SendMsg(in); err != nil {
			return err
		}
		if err := st.RecvMsg(out); err != nil {
			return err
		}
	}
	if err := st.CloseSend(); err != nil {
		return err
	}
	return read(st, out, 0)
}

// talk sends while it reads.
func talk(st grpc.ClientStream) error {
	sent := make(chan error, 1)
	go func() { sent <- write(st, &echopb.ChatRequest{Text: text}, 500) }()
	err := read(st, new(echopb.ChatResponse), 500)
	return errors.Join(err, <-sent)
}
