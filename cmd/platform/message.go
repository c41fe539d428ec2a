package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/reflection"
)

// requests reads the messages of a call from JSON.
type requests struct {
	io.Closer
	method protoreflect.MethodDescriptor
	of     *reflection.Contract
	json   *json.Decoder
	n      int // messages read
}

// requests opens what the argument REQUEST stands for, if there is one.
func (a *app) requests(ctx context.Context, m protoreflect.MethodDescriptor, of *reflection.Contract, arg []string) (*requests, error) {
	text := "-"
	switch {
	case len(arg) > 0:
		text = arg[0]
	case !a.stdinTerminal || m.IsStreamingClient():
	case m.Input().Fields().Len() == 0:
		text = "{}"
	default:
		return nil, usage("%s takes a request: %s", reflection.Endpoint(m), reflection.Skeleton(m.Input()))
	}
	in, err := a.input(ctx, text)
	if err != nil {
		return nil, err
	}
	var from io.Reader = in
	if !m.IsStreamingClient() {
		from = io.LimitReader(in, maxInput)
	}
	return &requests{Closer: in, method: m, of: of, json: json.NewDecoder(from)}, nil
}

// next returns the next message, and io.EOF after the last. A method that takes one
// message gets an empty one of no input, and no more than one.
func (r *requests) next() (proto.Message, error) {
	one := !r.method.IsStreamingClient()
	m, err := r.read()
	if errors.Is(err, io.EOF) && one {
		return dynamicpb.NewMessage(r.method.Input()), nil
	}
	if err != nil || !one {
		return m, err
	}
	if _, err := r.read(); !errors.Is(err, io.EOF) {
		return nil, usage("%s takes one message, there is more in the request", reflection.Endpoint(r.method))
	}
	return m, nil
}

func (r *requests) read() (proto.Message, error) {
	var raw json.RawMessage
	err := r.json.Decode(&raw)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	r.n++
	if errors.Is(err, errInterrupted) {
		return nil, err
	}
	if err != nil {
		return nil, usage("%s: not JSON: %v", r.place(), err)
	}
	m, err := r.of.Request(r.method, raw)
	if err != nil {
		return nil, usage("%s: %s; it is such as %s", r.place(), err, reflection.Skeleton(r.method.Input()))
	}
	return m, nil
}

// place says which message is meant.
func (r *requests) place() string {
	if r.method.IsStreamingClient() {
		return fmt.Sprintf("message %d to %s", r.n, reflection.Endpoint(r.method))
	}
	return "request of " + reflection.Endpoint(r.method)
}

// protoJSON prints m: indented on a terminal, else in one line.
func (a *app) protoJSON(m proto.Message, of *reflection.Contract) error {
	text, err := of.JSON(m)
	if err != nil {
		return fmt.Errorf("print the response: %w", err)
	}
	var b bytes.Buffer
	if a.stdoutTerminal {
		err = json.Indent(&b, text, "", "  ")
	} else {
		err = json.Compact(&b, text)
	}
	if err != nil {
		return fmt.Errorf("print the response: %w", err)
	}
	b.WriteByte('\n')
	_, err = a.out.Write(printable.JSON(b.Bytes()))
	return err
}
