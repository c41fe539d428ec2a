package main

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// example is a request that a service takes, by the conventions of our contracts: what
// names a thing is given, what is optional is left out.
func example(m protoreflect.MessageDescriptor) json.RawMessage {
	return exampleWithin(m, map[protoreflect.FullName]bool{})
}

func exampleWithin(m protoreflect.MessageDescriptor, outer map[protoreflect.FullName]bool) json.RawMessage {
	outer[m.FullName()] = true
	defer delete(outer, m.FullName())
	var members []string
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if value := exampleOf(f, outer); value != "" && !optional(f) {
			members = append(members, `"`+f.JSONName()+`":`+value)
		}
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}

// optional is true of fields that a request has only to ask for something special.
func optional(f protoreflect.FieldDescriptor) bool {
	switch f.Name() {
	case "page_size", "page_token", "request_id", "fence_token":
		return true
	}
	return f.IsMap() || f.HasOptionalKeyword() || f.ContainingOneof() != nil || strings.HasPrefix(string(f.Name()), "if_")
}

// exampleOf returns "" for a field whose zero value is as good as any.
func exampleOf(f protoreflect.FieldDescriptor, outer map[protoreflect.FullName]bool) string {
	value := ""
	switch f.Kind() {
	case protoreflect.StringKind:
		value = `"example"`
		if f.Name() == "namespace" {
			value = `"default"`
		}
	case protoreflect.BytesKind:
		value = `"NDI="` // 42, which is a number to those who want one
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		value = `"1"`
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.DoubleKind, protoreflect.FloatKind:
		value = `1`
	case protoreflect.MessageKind:
		if m := f.Message(); m.ParentFile().Package() != "google.protobuf" && !outer[m.FullName()] {
			value = string(exampleWithin(m, outer))
		}
	default: // unsigned numbers are versions
	}
	if value != "" && f.IsList() {
		return "[" + value + "]"
	}
	return value
}
