package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/micro/platform/tests/compat/scenario/proto/echopb"
)

// metadata asks for the metadata that a handler sees.
func metadata(ctx context.Context, s *session) (string, error) {
	s.header = traceHeader()
	var got echopb.CallResponse
	if err := s.call(ctx, "Echo.Call", &echopb.CallRequest{Text: "metadata"}, &got); err != nil {
		return "", err
	}
	seen := map[string]string{}
	for k, v := range got.GetMetadata() {
		seen[strings.ToLower(k)] = v
	}
	for k, want := range s.header {
		if got := seen[strings.ToLower(k)]; got != want {
			return "", fmt.Errorf("%s arrived as %q, want %q, of %v", k, got, want, seen)
		}
	}
	return fmt.Sprintf("%d of %d", len(s.header), len(seen)), nil
}

// deadline asks how much time a handler has.
func deadline(ctx context.Context, s *session) (string, error) {
	const want = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, want)
	defer cancel()
	var got echopb.CallResponse
	if err := s.call(ctx, "Echo.Call", &echopb.CallRequest{Text: "metadata"}, &got); err != nil {
		return "", err
	}
	left := got.GetLeft().AsDuration()
	if left <= 0 || left > want {
		return "", fmt.Errorf("the handler had %v, want at most %v", left, want)
	}
	return fmt.Sprintf("%v of %v", left, want), nil
}

// codes are those of gRPC from 1 on, with their names and HTTP statuses.
var codes = []struct {
	status string
	code   int32
}{
	{"canceled", 499},
	{"unknown", 500},
	{"invalid_argument", 400},
	{"deadline_exceeded", 504},
	{"not_found", 404},
	{"already_exists", 409},
	{"permission_denied", 403},
	{"resource_exhausted", 429},
	{"failed_precondition", 400},
	{"aborted", 409},
	{"out_of_range", 400},
	{"unimplemented", 501},
	{"internal", 500},
	{"unavailable", 503},
	{"data_loss", 500},
	{"unauthenticated", 401},
}

// allCodes has a handler fail in every way there is. go-micro v1 and v2 try a 500
// again, nothing else.
func allCodes(ctx context.Context, s *session) (string, error) {
	for i, c := range codes {
		call := s.call
		if c.code == 500 {
			call = s.try
		}
		req := &echopb.CallRequest{Code: int32(i) + 1, Reason: "test.told", Text: "as told"}
		want := &Error{ID: "test.told", Code: c.code, Status: c.status, Detail: "as told"}
		if err := fails(call(ctx, "Echo.Call", req, &echopb.CallResponse{}), want); err != nil {
			return "", err
		}
	}
	err := s.try(ctx, "Echo.Call", &echopb.CallRequest{Panic: true}, &echopb.CallResponse{})
	return fmt.Sprint(len(codes), " codes and a panic"), fails(err, &Error{ID: "panic", Code: 500, Status: "internal", Detail: secret})
}

// secret is what a caller learns of our own faults, and where to look for more.
const secret = "internal error (trace "

// fails says how err differs from want. A secret may have an end.
func fails(err error, want *Error) error {
	var got *Error
	if !errors.As(err, &got) {
		return fmt.Errorf("got %w, want %w", err, want)
	}
	same := *got
	if want.Detail == secret && strings.HasPrefix(got.Detail, secret) {
		same.Detail = secret
	}
	if same != *want {
		return fmt.Errorf("got %w, want %w", got, want)
	}
	return nil
}

// burst reads a stream that the server sends as fast as it can, to its end.
func burst(ctx context.Context, s *session) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const size = 300
	req := &echopb.CountRequest{Count: int32(s.messages), Size: size, Code: 5}
	st, err := s.client.Stream(ctx, s.request("Echo.Count", req))
	if err != nil {
		return "", err
	}
	defer st.Close()
	for i := range s.messages {
		var got echopb.CountResponse
		if err := st.Recv(&got); err != nil {
			return "", fmt.Errorf("message %d: %w", i, err)
		}
		if got.GetIndex() != int32(i) || len(got.GetPayload()) != size {
			return "", fmt.Errorf("message %d: got number %d with %d bytes", i, got.GetIndex(), len(got.GetPayload()))
		}
		for j, b := range got.GetPayload() {
			if b != byte(i+j) {
				return "", fmt.Errorf("message %d: byte %d is wrong", i, j)
			}
		}
	}
	if err := st.Recv(&echopb.CountResponse{}); err == nil || !strings.Contains(err.Error(), "as told") {
		return "", fmt.Errorf("the stream ended with %w, want what its handler returned", err)
	}
	return fmt.Sprint(s.messages, " messages"), s.ends(ctx)
}

// ends reads a stream whose handler returns no error.
func (s *session) ends(ctx context.Context) error {
	st, err := s.client.Stream(ctx, s.request("Echo.Count", &echopb.CountRequest{Count: 1}))
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Recv(&echopb.CountResponse{}); err != nil {
		return err
	}
	if err := st.Recv(&echopb.CountResponse{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream ended with %w, want EOF", err)
	}
	return nil
}

// chat sends and receives in turn.
func chat(ctx context.Context, s *session) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const turns = 100
	text := func(i int) string { return fmt.Sprint("text ", i) }
	st, err := s.client.Stream(ctx, s.request("Echo.Chat", &echopb.ChatRequest{Text: text(0)}))
	if err != nil {
		return "", err
	}
	defer st.Close()
	for i := range turns {
		if i > 0 {
			if err := st.Send(&echopb.ChatRequest{Text: text(i)}); err != nil {
				return "", fmt.Errorf("send %d: %w", i, err)
			}
		}
		var got echopb.ChatResponse
		if err := st.Recv(&got); err != nil {
			return "", fmt.Errorf("receive %d: %w", i, err)
		}
		if got.GetText() != text(i) {
			return "", fmt.Errorf("got %q, want %q", got.GetText(), text(i))
		}
	}
	return fmt.Sprint(turns, " turns"), nil
}
