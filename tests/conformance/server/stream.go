package main

import (
	"context"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/call"
	conformancepb "github.com/micro/platform/tests/conformance/internal/connectrpc/conformance/v1"
)

// stream is the responses of a stream.
type stream struct {
	def  *conformancepb.StreamResponseDefinition
	send func(*conformancepb.ConformancePayload) error
	sent int
}

// begin sends the header ahead of the first response, if there is one.
func (s *stream) begin(ctx context.Context) error {
	c := call.FromContext(ctx)
	add(c.ReplyHeader(), s.def.GetResponseHeaders())
	add(c.ReplyTrailer(), s.def.GetResponseTrailers())
	if !s.more() {
		return nil
	}
	return c.SendHeader()
}

func (s *stream) more() bool { return s.sent < len(s.def.GetResponseData()) }

// next sends a response.
func (s *stream) next(ctx context.Context, seen *conformancepb.ConformancePayload_RequestInfo) error {
	if err := wait(ctx, s.def.GetResponseDelayMs()); err != nil {
		return err
	}
	p := &conformancepb.ConformancePayload{Data: s.def.GetResponseData()[s.sent], RequestInfo: seen}
	s.sent++
	return s.send(p)
}

// alternate answers each request by a response until either side has no more.
func (s *stream) alternate(ctx context.Context, in *conformancepb.BidiStreamRequest, recv func() (*conformancepb.BidiStreamRequest, error)) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	for s.more() {
		seen, err := info(ctx, []proto.Message{in})
		if err != nil {
			return err
		}
		if s.sent > 0 {
			seen = &conformancepb.ConformancePayload_RequestInfo{Requests: seen.GetRequests()}
		}
		if err := s.next(ctx, seen); err != nil {
			return err
		}
		in, err = recv()
		if errors.Is(err, io.EOF) {
			return s.end(ctx)
		}
		if err != nil {
			return err
		}
	}
	return s.end(ctx, in)
}

// end sends the responses that are left, and fails if it is told to. The first thing
// that the caller gets tells what the caller has sent.
func (s *stream) end(ctx context.Context, requests ...proto.Message) error {
	var seen *conformancepb.ConformancePayload_RequestInfo
	if s.sent == 0 {
		var err error
		if seen, err = info(ctx, requests); err != nil {
			return err
		}
	}
	for s.more() {
		if err := s.next(ctx, seen); err != nil {
			return err
		}
		seen = nil
	}
	if e := s.def.GetError(); e != nil {
		return failure(e, seen)
	}
	return nil
}
