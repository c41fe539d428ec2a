package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/rpcerr"
	conformancepb "github.com/micro/platform/tests/conformance/internal/connectrpc/conformance/v1"
)

// handler does what each request says. What that is stands in the suite's service.proto.
type handler struct{}

var _ conformancepb.ConformanceServiceHandler = handler{}

// Unary implements conformancepb.ConformanceServiceHandler.
func (handler) Unary(ctx context.Context, in *conformancepb.UnaryRequest, out *conformancepb.UnaryResponse) (err error) {
	out.Payload, err = reply(ctx, in.GetResponseDefinition(), in)
	return err
}

// IdempotentUnary implements conformancepb.ConformanceServiceHandler.
func (handler) IdempotentUnary(ctx context.Context, in *conformancepb.IdempotentUnaryRequest, out *conformancepb.IdempotentUnaryResponse) (err error) {
	out.Payload, err = reply(ctx, in.GetResponseDefinition(), in)
	return err
}

// Unimplemented implements conformancepb.ConformanceServiceHandler.
func (handler) Unimplemented(context.Context, *conformancepb.UnimplementedRequest, *conformancepb.UnimplementedResponse) error {
	return rpcerr.New(codes.Unimplemented, "", "not implemented")
}

// ClientStream implements conformancepb.ConformanceServiceHandler.
func (handler) ClientStream(ctx context.Context, st conformancepb.ConformanceService_ClientStreamStream) error {
	all, err := receive(st.Recv)
	if err != nil {
		return err
	}
	var def *conformancepb.UnaryResponseDefinition
	if len(all) > 0 {
		def = all[0].(*conformancepb.ClientStreamRequest).GetResponseDefinition()
	}
	p, err := reply(ctx, def, all...)
	if err != nil {
		return err
	}
	return st.SendMsg(&conformancepb.ClientStreamResponse{Payload: p})
}

// ServerStream implements conformancepb.ConformanceServiceHandler.
func (handler) ServerStream(ctx context.Context, in *conformancepb.ServerStreamRequest, st conformancepb.ConformanceService_ServerStreamStream) error {
	s := &stream{def: in.GetResponseDefinition(), send: func(p *conformancepb.ConformancePayload) error {
		return st.Send(&conformancepb.ServerStreamResponse{Payload: p})
	}}
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.end(ctx, in)
}

// BidiStream implements conformancepb.ConformanceServiceHandler.
func (handler) BidiStream(ctx context.Context, st conformancepb.ConformanceService_BidiStreamStream) error {
	first, err := st.Recv()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	s := &stream{def: first.GetResponseDefinition(), send: func(p *conformancepb.ConformancePayload) error {
		return st.Send(&conformancepb.BidiStreamResponse{Payload: p})
	}}
	if first.GetFullDuplex() {
		return s.alternate(ctx, first, st.Recv)
	}
	others, err := receive(st.Recv)
	if err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.end(ctx, append([]proto.Message{first}, others...)...)
}

// receive returns all requests of a stream.
func receive[M proto.Message](recv func() (M, error)) ([]proto.Message, error) {
	var all []proto.Message
	for {
		in, err := recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
}

// reply is the one response to requests.
func reply(ctx context.Context, def *conformancepb.UnaryResponseDefinition, requests ...proto.Message) (*conformancepb.ConformancePayload, error) {
	c := call.FromContext(ctx)
	add(c.ReplyHeader(), def.GetResponseHeaders())
	add(c.ReplyTrailer(), def.GetResponseTrailers())
	if err := wait(ctx, def.GetResponseDelayMs()); err != nil {
		return nil, err
	}
	seen, err := info(ctx, requests)
	if err != nil {
		return nil, err
	}
	if e := def.GetError(); e != nil {
		return nil, failure(e, seen)
	}
	return &conformancepb.ConformancePayload{Data: def.GetResponseData(), RequestInfo: seen}, nil
}

// failure is the error of e, with seen, if that is not nil, as its last detail.
func failure(e *conformancepb.Error, seen *conformancepb.ConformancePayload_RequestInfo) error {
	err := &rpcerr.Error{Code: codes.Code(e.GetCode()), Message: e.GetMessage(), Details: e.GetDetails()}
	if seen == nil {
		return err
	}
	detail, bad := anypb.New(seen)
	if bad != nil {
		return bad
	}
	err.Details = append(err.Details, detail)
	return err
}

// far is more than any deadline of the suite and less than the host's.
const far = 10 * time.Second

// info is what the caller has sent.
func info(ctx context.Context, requests []proto.Message) (*conformancepb.ConformancePayload_RequestInfo, error) {
	seen := &conformancepb.ConformancePayload_RequestInfo{}
	for name, values := range call.FromContext(ctx).Header() {
		seen.RequestHeaders = append(seen.RequestHeaders, &conformancepb.Header{Name: name, Value: values})
	}
	if end, ok := ctx.Deadline(); ok {
		if left := time.Until(end); left < far { // else it is the host's own, which no caller has named
			seen.TimeoutMs = new(left.Milliseconds())
		}
	}
	for _, m := range requests {
		a, err := anypb.New(m)
		if err != nil {
			return nil, err
		}
		seen.Requests = append(seen.Requests, a)
	}
	return seen, nil
}

func add(to http.Header, all []*conformancepb.Header) {
	for _, h := range all {
		for _, v := range h.GetValue() {
			to.Add(h.GetName(), v)
		}
	}
}

// wait waits for a time in milliseconds, whatever becomes of ctx meanwhile. The suite's
// client leaves at the moment in which ctx ends: of an answer at that moment it gets all,
// half or nothing, and it calls half an answer wrong. The suite's own server waits so, too.
func wait(ctx context.Context, ms uint32) error {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return ctx.Err()
}
