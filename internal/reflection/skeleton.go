package reflection

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Skeleton returns JSON of a message with each of its fields, to fill in. Of a oneof
// it has the first field, of a message within itself nothing.
func Skeleton(m protoreflect.MessageDescriptor) string {
	var b strings.Builder
	message(&b, m, nil)
	return b.String()
}

func message(b *strings.Builder, m protoreflect.MessageDescriptor, within []protoreflect.FullName) {
	if text, ok := wellKnown(m.FullName()); ok {
		b.WriteString(text)
		return
	}
	b.WriteByte('{')
	comma := ""
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if later(f) || repeats(f, append(within, m.FullName())) {
			continue
		}
		b.WriteString(comma + strconv.Quote(f.JSONName()) + ":")
		comma = ","
		field(b, f, append(within, m.FullName()))
	}
	b.WriteByte('}')
}

// later tells whether f excludes a field before it.
func later(f protoreflect.FieldDescriptor) bool {
	o := f.ContainingOneof()
	return o != nil && o.Fields().Get(0) != f
}

// repeats tells whether f leads back to a message that it is in.
func repeats(f protoreflect.FieldDescriptor, within []protoreflect.FullName) bool {
	for _, name := range within {
		if f.Message() != nil && f.Message().FullName() == name {
			return true
		}
	}
	return false
}

func field(b *strings.Builder, f protoreflect.FieldDescriptor, within []protoreflect.FullName) {
	switch {
	case f.IsMap():
		b.WriteString("{}")
	case f.IsList():
		b.WriteByte('[')
		value(b, f, within)
		b.WriteByte(']')
	default:
		value(b, f, within)
	}
}

func value(b *strings.Builder, f protoreflect.FieldDescriptor, within []protoreflect.FullName) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		message(b, f.Message(), within)
	case protoreflect.EnumKind:
		b.WriteString(strconv.Quote(string(f.Enum().Values().Get(0).Name())))
	case protoreflect.BoolKind:
		b.WriteString("false")
	case protoreflect.StringKind, protoreflect.BytesKind:
		b.WriteString(`""`)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		b.WriteString(`"0"`)
	default:
		b.WriteByte('0')
	}
}

// wellKnown is the JSON of messages that have one of their own
// (https://protobuf.dev/programming-guides/json).
func wellKnown(name protoreflect.FullName) (string, bool) {
	switch name {
	case "google.protobuf.Timestamp":
		return `"2006-01-02T15:04:05Z"`, true
	case "google.protobuf.Duration":
		return `"1s"`, true
	case "google.protobuf.FieldMask", "google.protobuf.StringValue", "google.protobuf.BytesValue":
		return `""`, true
	case "google.protobuf.BoolValue":
		return "false", true
	case "google.protobuf.Int64Value", "google.protobuf.UInt64Value":
		return `"0"`, true
	case "google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return "0", true
	case "google.protobuf.Value":
		return "null", true
	case "google.protobuf.ListValue":
		return "[]", true
	case "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Empty":
		return "{}", true
	}
	return "", false
}
