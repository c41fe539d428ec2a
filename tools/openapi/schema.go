package main

import (
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// describe gives a schema the comments of the message or enum that it stands for.
func describe(s *openapi3.Schema, d protoreflect.Descriptor) {
	s.Title, s.Description = "", comment(d)
	switch d := d.(type) {
	case protoreflect.EnumDescriptor:
		s.Description = strings.TrimSpace(s.Description + "\n\n" + values(d))
	case protoreflect.MessageDescriptor:
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			if p := s.Properties[f.JSONName()]; p != nil {
				describeField(p, f)
			}
		}
	}
}

// values is a list of what each value means.
func values(d protoreflect.EnumDescriptor) string {
	var lines []string
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("- %s: %s", v.Name(), comment(v)), ": "))
	}
	return strings.Join(lines, "\n")
}

func describeField(p *openapi3.SchemaRef, f protoreflect.FieldDescriptor) {
	if f.Message() != nil {
		switch {
		case f.IsMap():
			if v := f.MapValue(); isDuration(v) {
				p.Value.AdditionalProperties.Schema = duration()
			}
		case isDuration(f) && f.IsList():
			p.Value.Items = duration()
		case isDuration(f):
			*p = *duration()
		}
	}
	if text := comment(f); text != "" {
		if p.Ref != "" { // nothing may stand beside it
			*p = *openapi3.NewAllOfSchema().NewRef()
			p.Value.AllOf = openapi3.SchemaRefs{schemaRef(string(f.Message().FullName()))}
		}
		p.Value.Title, p.Value.Description = "", text
	}
}

func isDuration(f protoreflect.FieldDescriptor) bool {
	return f.Message() != nil && f.Message().FullName() == "google.protobuf.Duration"
}

// duration is google.protobuf.Duration in JSON, which is not that of ISO 8601.
func duration() *openapi3.SchemaRef {
	s := openapi3.NewStringSchema().WithFormat("google-duration").WithPattern(`^-?[0-9]+(\.[0-9]{1,9})?s$`)
	s.Example = "1.5s"
	return s.NewRef()
}
