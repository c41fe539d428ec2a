package port

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The go-micro RPC clients of v1, v2 and v4 write messages with encoding/json, and
// JSON is v4's default. It differs from protobuf's JSON in well-known types: a
// Duration or Timestamp is {"seconds":90,"nanos":5}. Others (Any, Struct, wrappers) and
// oneofs do not survive those clients.

// mendJSON returns data with the times in it as protobuf's JSON has them, or nil where
// there is nothing to mend.
func mendJSON(data []byte, d protoreflect.MessageDescriptor) []byte {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var fields map[string]any
	if dec.Decode(&fields) != nil || !mendFields(fields, d) {
		return nil
	}
	mended, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return mended
}

func mendFields(fields map[string]any, d protoreflect.MessageDescriptor) (mended bool) {
	for name, v := range fields {
		fd := d.Fields().ByTextName(name)
		if fd == nil {
			fd = d.Fields().ByJSONName(name)
		}
		switch {
		case fd == nil:
		case fd.IsMap():
			if values, ok := v.(map[string]any); ok && fd.MapValue().Message() != nil {
				for k := range values {
					mended = mendValue(values[k], fd.MapValue().Message(), func(m any) { values[k] = m }) || mended
				}
			}
		case fd.Message() == nil:
		case fd.IsList():
			if values, ok := v.([]any); ok {
				for i := range values {
					mended = mendValue(values[i], fd.Message(), func(m any) { values[i] = m }) || mended
				}
			}
		default:
			mended = mendValue(v, fd.Message(), func(m any) { fields[name] = m }) || mended
		}
	}
	return mended
}

// mendValue replaces v, which should be a message of type d, if it is a time.
func mendValue(v any, d protoreflect.MessageDescriptor, replace func(any)) bool {
	fields, ok := v.(map[string]any)
	if !ok {
		return false
	}
	var m proto.Message
	seconds, nanos := number(fields["seconds"]), number(fields["nanos"])
	switch d.FullName() {
	case "google.protobuf.Duration":
		m = &durationpb.Duration{Seconds: seconds, Nanos: int32(nanos)} //nolint:gosec // Marshal checks
	case "google.protobuf.Timestamp":
		m = &timestamppb.Timestamp{Seconds: seconds, Nanos: int32(nanos)} //nolint:gosec // Marshal checks
	default:
		return mendFields(fields, d)
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return false
	}
	replace(json.RawMessage(text))
	return true
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}
