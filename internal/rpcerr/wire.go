package rpcerr

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	merrors "go-micro.dev/v5/errors"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// domain is that of the reasons in ErrorInfo (https://google.aip.dev/193).
const domain = "micro"

// Micro is e as go-micro's clients know it. Id is the reason, Code the HTTP status,
// Status the name of the code.
func (e *Error) Micro() *merrors.Error {
	id := e.Reason
	if id == "" {
		id = Name(e.Code)
	}
	return &merrors.Error{Id: id, Code: int32(HTTP(e.Code)), Detail: e.Message, Status: Name(e.Code)} //nolint:gosec // a three-digit number
}

// GRPC is e as a gRPC status error.
//
// A go-micro client takes code and message from a go-micro error that must be the
// first detail, and panics on another where that type is linked: toMicro makes it the
// only one. Any other caller gets ErrorInfo and RetryInfo, if e has what they say.
func (e *Error) GRPC(toMicro bool) error {
	p := &spb.Status{Code: int32(e.Code), Message: e.Message} //nolint:gosec // below 17
	if toMicro {
		p.Details = pack(nil, e.Micro())
	} else {
		p.Details = e.details()
	}
	return status.FromProto(p).Err()
}

// Connect is e for Connect and gRPC-Web.
func (e *Error) Connect() *connect.Error {
	c := connect.NewError(connect.Code(e.Code), errors.New(e.Message))
	for _, d := range e.details() {
		if cd, err := connect.NewErrorDetail(d); err == nil {
			c.AddDetail(cd)
		}
	}
	return c
}

// JSON is e as the Connect protocol writes it.
func (e *Error) JSON() any {
	type detail struct {
		Type  string          `json:"type"`
		Value string          `json:"value"` // base64 without padding
		Debug json.RawMessage `json:"debug,omitempty"`
	}
	body := struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details,omitempty"`
	}{Code: Name(e.Code), Message: e.Message}
	for _, d := range e.details() {
		one := detail{Type: string(d.MessageName()), Value: base64.RawStdEncoding.EncodeToString(d.GetValue())}
		if m, err := d.UnmarshalNew(); err == nil { // of a type that is linked
			one.Debug, _ = protojson.Marshal(m) // it was just read
		}
		body.Details = append(body.Details, one)
	}
	return body
}

// details leaves out a reason that says no more than the code.
func (e *Error) details() []*anypb.Any {
	all := e.Details
	if e.Field != "" || e.Reason != "" && e.Reason != Name(e.Code) {
		info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: domain}
		if e.Field != "" {
			info.Metadata = map[string]string{"field": e.Field}
		}
		all = pack(all, info)
	}
	if e.RetryAfter > 0 {
		all = pack(all, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	return all
}

func pack(to []*anypb.Any, m proto.Message) []*anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		return to // the types are fixed and always marshal
	}
	return append(slices.Clip(to), a)
}

// foreign makes an *Error of what came over a protocol, or returns nil.
func foreign(err error) *Error {
	if mic, ok := errors.AsType[*merrors.Error](err); ok {
		return fromMicro(mic)
	}
	if con, ok := errors.AsType[*connect.Error](err); ok {
		e := New(codes.Code(con.Code()), "", "%s", con.Message()).Because(con.Unwrap())
		for _, d := range con.Details() {
			if m, err := d.Value(); err == nil {
				e.learn(m)
			}
		}
		return e
	}
	var grpcErr interface{ GRPCStatus() *status.Status }
	if errors.As(err, &grpcErr) {
		return fromStatus(grpcErr.GRPCStatus())
	}
	return nil
}

func fromStatus(st *status.Status) *Error {
	e := New(st.Code(), "", "%s", st.Message())
	for _, d := range st.Details() {
		switch m := d.(type) {
		case *merrors.Error:
			return fromMicro(m)
		case proto.Message:
			e.learn(m)
		}
	}
	return e
}

// learn takes from a detail what it says of e.
func (e *Error) learn(detail proto.Message) {
	switch m := detail.(type) {
	case *errdetails.ErrorInfo:
		e.Reason, e.Field = m.GetReason(), m.GetMetadata()["field"]
	case *errdetails.RetryInfo:
		e.RetryAfter = m.GetRetryDelay().AsDuration()
	}
}

// fromMicro trusts the name of the code before the HTTP status, which several share.
func fromMicro(m *merrors.Error) *Error {
	code, ok := ByName(m.GetStatus())
	if !ok {
		code = FromHTTP(int(m.GetCode()))
	}
	if m.GetCode() == http.StatusOK || code == codes.OK {
		code = codes.Unknown
	}
	return New(code, m.GetId(), "%s", m.GetDetail())
}
