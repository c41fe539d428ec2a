package rpcerr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	merrors "go-micro.dev/v5/errors"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/micro/platform/internal/rpcerr"
)

// rows is the table of DESIGN.md, and the codes that it leaves to the protocols.
var rows = []struct {
	code codes.Code
	name string
	http int
}{
	{codes.InvalidArgument, "invalid_argument", 400},
	{codes.FailedPrecondition, "failed_precondition", 400},
	{codes.Unauthenticated, "unauthenticated", 401},
	{codes.PermissionDenied, "permission_denied", 403},
	{codes.NotFound, "not_found", 404},
	{codes.AlreadyExists, "already_exists", 409},
	{codes.Aborted, "aborted", 409},
	{codes.ResourceExhausted, "resource_exhausted", 429},
	{codes.Unimplemented, "unimplemented", 501},
	{codes.Unavailable, "unavailable", 503},
	{codes.DeadlineExceeded, "deadline_exceeded", 504},
	{codes.Internal, "internal", 500},

	{codes.Canceled, "canceled", 499},
	{codes.Unknown, "unknown", 500},
	{codes.OutOfRange, "out_of_range", 400},
	{codes.DataLoss, "data_loss", 500},
}

func TestTable(t *testing.T) {
	for _, r := range rows {
		if got := rpcerr.Name(r.code); got != r.name {
			t.Errorf("Name(%v): got %q, want %q", r.code, got, r.name)
		}
		if got := rpcerr.HTTP(r.code); got != r.http {
			t.Errorf("HTTP(%v): got %d, want %d", r.code, got, r.http)
		}
		if got := connect.Code(r.code).String(); got != r.name {
			t.Errorf("Connect calls %v %q, want %q", r.code, got, r.name)
		}
	}
	if got := rpcerr.Name(codes.OK); got != "ok" {
		t.Errorf("Name(OK): got %q", got)
	}
	for _, beyond := range []codes.Code{17, 99, 1 << 31} {
		if got := rpcerr.Name(beyond); got != "unknown" {
			t.Errorf("Name(%d): got %q, want unknown", beyond, got)
		}
		if got := rpcerr.HTTP(beyond); got != http.StatusInternalServerError {
			t.Errorf("HTTP(%d): got %d, want 500", beyond, got)
		}
	}
}

// TestRefusals: go-micro v1 and v2 call again after a 500.
func TestRefusals(t *testing.T) {
	for _, r := range rows {
		fault := r.code == codes.Internal || r.code == codes.Unknown || r.code == codes.DataLoss
		if got := rpcerr.HTTP(r.code) == http.StatusInternalServerError; got != fault {
			t.Errorf("%v is a 500: got %v, want %v", r.code, got, fault)
		}
	}
}

func TestFromHTTP(t *testing.T) {
	tests := map[int]codes.Code{
		400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound,
		405: codes.Unimplemented, 408: codes.DeadlineExceeded, 409: codes.Aborted, 429: codes.ResourceExhausted,
		499: codes.Canceled, 500: codes.Internal, 501: codes.Unimplemented, 503: codes.Unavailable, 504: codes.DeadlineExceeded,
		0: codes.Unknown, 418: codes.Unknown, 302: codes.Unknown,
	}
	for in, want := range tests {
		if got := rpcerr.FromHTTP(in); got != want {
			t.Errorf("FromHTTP(%d): got %v, want %v", in, got, want)
		}
	}
}

// full has all that an error can say, of one code.
func full(code codes.Code) *rpcerr.Error {
	e := rpcerr.New(code, "test.reason", "said %d times", 2)
	e.Field = "keys[1]"
	return e.Retry(1500 * time.Millisecond)
}

// visible compares what a caller sees.
var visible = cmp.Options{cmpopts.IgnoreUnexported(rpcerr.Error{}), cmpopts.IgnoreFields(rpcerr.Error{}, "Details"), protocmp.Transform()}

func TestRoundTrip(t *testing.T) {
	wires := map[string]struct {
		send func(*rpcerr.Error) error
		// Which of the fields go-micro's error has no place for.
		lost cmp.Option
	}{
		"gRPC":             {func(e *rpcerr.Error) error { return e.GRPC(false) }, nil},
		"gRPC, wrapped":    {func(e *rpcerr.Error) error { return fmt.Errorf("call: %w", e.GRPC(false)) }, nil},
		"Connect":          {func(e *rpcerr.Error) error { return e.Connect() }, nil},
		"Connect, wrapped": {func(e *rpcerr.Error) error { return fmt.Errorf("call: %w", e.Connect()) }, nil},
		"go-micro": {
			func(e *rpcerr.Error) error { return merrors.Parse(e.Micro().Error()) },
			cmpopts.IgnoreFields(rpcerr.Error{}, "Field", "RetryAfter"),
		},
		"go-micro over gRPC": {
			func(e *rpcerr.Error) error { return e.GRPC(true) },
			cmpopts.IgnoreFields(rpcerr.Error{}, "Field", "RetryAfter"),
		},
		"in process": {func(e *rpcerr.Error) error { return fmt.Errorf("call: %w", e) }, nil},
	}
	for name, w := range wires {
		t.Run(name, func(t *testing.T) {
			opts := visible
			if w.lost != nil {
				opts = append(opts, w.lost)
			}
			for _, r := range rows {
				want := full(r.code)
				if diff := cmp.Diff(want, rpcerr.From(w.send(want)), opts); diff != "" {
					t.Errorf("%s (-want +got):\n%s", r.name, diff)
				}
			}
			// Least of all: a code.
			want := &rpcerr.Error{Code: codes.NotFound}
			got := rpcerr.From(w.send(want))
			if got.Code != want.Code || got.Message != "" || got.Field != "" || got.RetryAfter != 0 {
				t.Errorf("a bare code: got %+v", got)
			}
		})
	}
}

func TestGRPC(t *testing.T) {
	told, err := anypb.New(wrapperspb.String("as it is"))
	if err != nil {
		t.Fatal(err)
	}
	with := full(codes.Aborted)
	with.Details = []*anypb.Any{told}
	tests := map[string]struct {
		err     *rpcerr.Error
		toMicro bool
		want    []proto.Message
	}{
		"all": {with, false, []proto.Message{
			wrapperspb.String("as it is"),
			&errdetails.ErrorInfo{Reason: "test.reason", Domain: "micro", Metadata: map[string]string{"field": "keys[1]"}},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		}},
		"a reason": {rpcerr.New(codes.NotFound, "kv.not_found", "gone"), false, []proto.Message{
			&errdetails.ErrorInfo{Reason: "kv.not_found", Domain: "micro"},
		}},
		"nothing":               {rpcerr.New(codes.NotFound, "", "gone"), false, nil},
		"no more than the code": {rpcerr.New(codes.NotFound, "not_found", "gone"), false, nil},
		// Any other detail makes go-micro's client panic, or lose code and message.
		"all, to go-micro": {with, true, []proto.Message{
			&merrors.Error{Id: "test.reason", Code: 409, Detail: "said 2 times", Status: "aborted"},
		}},
		"nothing, to go-micro": {rpcerr.New(codes.NotFound, "", "gone"), true, []proto.Message{
			&merrors.Error{Id: "not_found", Code: 404, Detail: "gone", Status: "not_found"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			st, ok := status.FromError(tt.err.GRPC(tt.toMicro))
			if !ok || st.Code() != tt.err.Code || st.Message() != tt.err.Message {
				t.Errorf("got %v, want code and message of %v", st, tt.err)
			}
			var got []proto.Message
			for _, d := range st.Details() {
				got = append(got, d.(proto.Message))
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
			if len(with.Details) != 1 {
				t.Errorf("the error itself now has %d details", len(with.Details))
			}
		})
	}
}

func TestMicro(t *testing.T) {
	got := full(codes.FailedPrecondition).Micro()
	want := &merrors.Error{Id: "test.reason", Code: 400, Detail: "said 2 times", Status: "failed_precondition"}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(got.Error()), &fields); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"id": "test.reason", "code": 400.0, "detail": "said 2 times", "status": "failed_precondition"}, fields); diff != "" {
		t.Errorf("on the wire (-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	got, err := json.Marshal(full(codes.NotFound).Because(errors.New("s3cret")).JSON())
	if want := `{"code":"not_found","message":"said 2 times","details":[` +
		`{"type":"google.rpc.ErrorInfo","value":"Cgt0ZXN0LnJlYXNvbhIFbWljcm8aEAoFZmllbGQSB2tleXNbMV0",` +
		`"debug":{"reason":"test.reason","domain":"micro","metadata":{"field":"keys[1]"}}},` +
		`{"type":"google.rpc.RetryInfo","value":"CggIARCAyrXuAQ","debug":{"retryDelay":"1.500s"}}]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestFrom(t *testing.T) {
	plain := errors.New("dial 10.0.0.1: password s3cret is wrong")
	tests := map[string]struct {
		in   error
		want rpcerr.Error
	}{
		"a plain error":         {plain, rpcerr.Error{Code: codes.Internal, Reason: "internal", Message: "internal error"}},
		"a wrapped one":         {fmt.Errorf("open: %w", plain), rpcerr.Error{Code: codes.Internal, Reason: "internal", Message: "internal error"}},
		"deadline":              {context.DeadlineExceeded, rpcerr.Error{Code: codes.DeadlineExceeded, Reason: "deadline_exceeded", Message: "the deadline has passed"}},
		"a wrapped deadline":    {fmt.Errorf("get: %w", context.DeadlineExceeded), rpcerr.Error{Code: codes.DeadlineExceeded, Reason: "deadline_exceeded", Message: "the deadline has passed"}},
		"canceled":              {context.Canceled, rpcerr.Error{Code: codes.Canceled, Reason: "canceled", Message: "the caller has left"}},
		"a wrapped *Error":      {fmt.Errorf("get: %w", rpcerr.New(codes.NotFound, "kv.not_found", "gone")), rpcerr.Error{Code: codes.NotFound, Reason: "kv.not_found", Message: "gone"}},
		"joined":                {errors.Join(plain, rpcerr.New(codes.Aborted, "r", "moved")), rpcerr.Error{Code: codes.Aborted, Reason: "r", Message: "moved"}},
		"gRPC without details":  {status.Error(codes.NotFound, "gone"), rpcerr.Error{Code: codes.NotFound, Message: "gone"}},
		"Connect without any":   {connect.NewError(connect.CodeAborted, errors.New("moved")), rpcerr.Error{Code: codes.Aborted, Message: "moved"}},
		"old go-micro":          {merrors.NotFound("go.micro.srv.old", "no %s", "key"), rpcerr.Error{Code: codes.NotFound, Reason: "go.micro.srv.old", Message: "no key"}},
		"old go-micro conflict": {merrors.Conflict("id", "twice"), rpcerr.Error{Code: codes.Aborted, Reason: "id", Message: "twice"}},
		"old go-micro timeout":  {merrors.Timeout("id", "late"), rpcerr.Error{Code: codes.DeadlineExceeded, Reason: "id", Message: "late"}},
		"old go-micro fault":    {merrors.InternalServerError("id", "ouch"), rpcerr.Error{Code: codes.Internal, Reason: "id", Message: "ouch"}},
		"go-micro says it is ok": {
			&merrors.Error{Id: "id", Code: 200, Status: "OK", Detail: "odd"}, rpcerr.Error{Code: codes.Unknown, Reason: "id", Message: "odd"},
		},
		"an empty go-micro error": {&merrors.Error{}, rpcerr.Error{Code: codes.Unknown}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := rpcerr.From(tt.in)
			if diff := cmp.Diff(&tt.want, got, visible); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if code := rpcerr.Code(tt.in); code != tt.want.Code {
				t.Errorf("Code: got %v, want %v", code, tt.want.Code)
			}
		})
	}
	if got := rpcerr.From(nil); got != nil {
		t.Errorf("From(nil): got %v", got)
	}
	if got := rpcerr.Code(nil); got != codes.OK {
		t.Errorf("Code(nil): got %v", got)
	}
	if err := rpcerr.From(plain); !errors.Is(err, plain) {
		t.Error("the cause of an internal error is lost")
	}
}

// TestNoText: what a caller has sent may stand in a message.
func TestNoText(t *testing.T) {
	for _, e := range []*rpcerr.Error{
		rpcerr.New(codes.NotFound, "test.told", "\xffa"), rpcerr.Invalid("key", "\xffa"), rpcerr.New(codes.NotFound, "test.told", "").WithMessage("\xffa"),
	} {
		st, ok := status.FromError(e.GRPC(false))
		if !ok || len(st.Details()) != 1 || !strings.HasSuffix(st.Message(), "\uFFFDa") {
			t.Errorf("got %v with details %v", st, st.Details())
		}
		if _, err := proto.Marshal(st.Proto()); err != nil {
			t.Error(err)
		}
	}
}

// TestCause: the log has it, callers do not.
func TestCause(t *testing.T) {
	cause := fmt.Errorf("AUTH s3cret: %w", context.DeadlineExceeded)
	was := rpcerr.New(codes.Unavailable, "kv.away", "the store is away")
	e := was.Because(cause).Retry(time.Second).WithMessage("the store %q is away", "kv")
	if !errors.Is(e, cause) || !errors.Is(e, context.DeadlineExceeded) || errors.Unwrap(was) != nil {
		t.Errorf("got cause %v, and of the error that it was made of %v", errors.Unwrap(e), errors.Unwrap(was))
	}
	if got, want := e.Error(), `unavailable: the store "kv" is away (AUTH s3cret: context deadline exceeded)`; got != want {
		t.Errorf("for the log: got %q, want %q", got, want)
	}
	if was.Message != "the store is away" || was.RetryAfter != 0 {
		t.Errorf("the copies changed their original: %+v", was)
	}
	if got := rpcerr.From(e); got.Code != codes.Unavailable {
		t.Errorf("the cause changed the code to %v", got.Code)
	}
	seen := map[string]string{
		"Micro": e.Micro().Error(), "GRPC": fmt.Sprintf("%+v", status.Convert(e.GRPC(false)).Proto()),
		"GRPC to go-micro": fmt.Sprintf("%+v", status.Convert(e.GRPC(true)).Proto()), "Connect": connectText(e.Connect()),
	}
	for name, err := range map[string]error{"plain": cause, "gRPC": e.GRPC(false), "Connect": e.Connect()} {
		from := rpcerr.From(err)
		seen["From "+name] = from.Message + from.Micro().Error()
	}
	for name, text := range seen {
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s tells the cause: %s", name, text)
		}
	}
}

// connectText is all that goes to a caller of Connect.
func connectText(e *connect.Error) string {
	s := e.Message()
	for _, d := range e.Details() {
		s += string(d.Bytes())
	}
	return s
}

func TestInvalid(t *testing.T) {
	got := rpcerr.Invalid("key", "has %d bytes, 1024 are allowed", 2000)
	want := &rpcerr.Error{Code: codes.InvalidArgument, Reason: "invalid_argument", Field: "key", Message: "key: has 2000 bytes, 1024 are allowed"}
	if diff := cmp.Diff(want, got, visible); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
