package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/tests/compat/scenario/proto/kvpb"
)

// A refusal is one of those that callers in all languages see alike. go-micro's error
// has no place for the field that is to blame, but its message begins with it.
type refusal struct {
	Endpoint              string
	Request               json.RawMessage
	HTTP                  int32
	Code, Reason, Message string
}

// sharedRefusals checks those of the file that the flags name, and counts them.
func (s *session) sharedRefusals(ctx context.Context) (int, error) {
	if s.refusals == "" {
		return 0, nil
	}
	b, err := os.ReadFile(s.refusals)
	if err != nil {
		return 0, err
	}
	var all []refusal
	if err := json.Unmarshal(b, &all); err != nil {
		return 0, fmt.Errorf("%s: %w", s.refusals, err)
	}
	var errs []error
	for _, r := range all {
		if err := s.refused(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Endpoint, r.Request, err))
		}
	}
	return len(all), errors.Join(errs...)
}

// refused checks one, of a key that there is.
func (s *session) refused(ctx context.Context, r refusal) error {
	var in, out proto.Message
	switch r.Endpoint {
	case "KV.Get":
		in, out = &kvpb.GetRequest{}, &kvpb.GetResponse{}
	case "KV.Put":
		in, out = &kvpb.PutRequest{}, &kvpb.PutResponse{}
	default:
		return errors.New("this scenario does not know it")
	}
	if err := protojson.Unmarshal(r.Request, in); err != nil {
		return err
	}
	if put, ok := in.(*kvpb.PutRequest); ok {
		if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: put.GetKey()}, &kvpb.PutResponse{}); err != nil {
			return err
		}
	}
	want := &Error{ID: r.Reason, Code: r.HTTP, Status: r.Code, Detail: r.Message}
	return fails(s.call(ctx, r.Endpoint, in, out), want)
}
