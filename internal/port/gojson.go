package port

import (
	"bytes"
	"encoding/json"
	"strconv"

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
	switch d.FullName() {
	case "google.protobuf.Duration":
		m = new(durationpb.Duration)
	case "google.protobuf.Timestamp":
		m = new(timestamppb.Timestamp)
	default:
		return mendFields(fields, d)
	}
	for name, v := range fields {
		fd := m.ProtoReflect().Descriptor().Fields().ByTextName(name)
		if fd == nil || !setNumber(m.ProtoReflect(), fd, v) {
			return false // what it means is not to be guessed
		}
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return false
	}
	replace(json.RawMessage(text))
	return true
}

// setNumber returns false for what is no whole number of the field's size.
func setNumber(m protoreflect.Message, fd protoreflect.FieldDescriptor, v any) bool {
	text, ok := v.(json.Number)
	if !ok {
		return false
	}
	bits, value := 64, protoreflect.ValueOfInt64
	if fd.Kind() == protoreflect.Int32Kind {
		bits, value = 32, func(n int64) protoreflect.Value { return protoreflect.ValueOfInt32(int32(n)) } //nolint:gosec // has 32 bits
	}
	n, err := strconv.ParseInt(text.String(), 10, bits)
	if err != nil {
		return false
	}
	m.Set(fd, value(n))
	return true
}
