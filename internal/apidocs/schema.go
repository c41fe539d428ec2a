package apidocs

import (
	"bytes"
	"encoding/json"
	"strings"
)

// operation is a method in an OpenAPI document.
type operation struct {
	Summary, Description string
	RequestBody          struct{ Content ordered[media] }
	Responses            ordered[struct{ Content ordered[media] }]
}

// media is a body.
type media struct {
	Schema         schema
	Example        json.RawMessage
	Message        schema          `json:"x-message"` // of a stream
	MessageExample json.RawMessage `json:"x-message-example"`
}

func (o operation) in() media { return first(o.RequestBody.Content) }

func (o operation) out() media { return first(first(o.Responses).Content) }

func first[T any](o ordered[T]) T {
	if len(o) == 0 {
		return *new(T)
	}
	return o[0].Value
}

// message is the name of the body's type.
func (m media) message() string {
	if m.Message.Ref != "" {
		return m.Message.id()
	}
	return m.Schema.id()
}

// example is a request on one line.
func (m media) example() string {
	var b bytes.Buffer
	for _, text := range []json.RawMessage{m.Example, m.MessageExample} {
		if json.Compact(&b, text) == nil {
			break
		}
	}
	return b.String()
}

// schema is a type in an OpenAPI document.
type schema struct {
	Ref                  string          `json:"$ref"`
	AllOf                []schema        `json:"allOf"`
	Type                 string          `json:"type"`
	Format               string          `json:"format"`
	Description          string          `json:"description"`
	Enum                 []string        `json:"enum"`
	Items                *schema         `json:"items"`
	Properties           ordered[schema] `json:"properties"`
	AdditionalProperties values          `json:"additionalProperties"`
}

// values is the schema of all members of an object, if one is set and no mere true.
type values struct{ *schema }

func (v *values) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return nil
	}
	return json.Unmarshal(data, &v.schema)
}

// id is the name of the type that s refers to, or "".
func (s schema) id() string {
	if len(s.AllOf) > 0 {
		return s.AllOf[0].id()
	}
	return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
}

// scalar says what stands in JSON for a value that consists of no others.
func (s schema) scalar() string {
	switch s.Type + " " + s.Format {
	case "string byte":
		return "bytes in base64"
	case "string int64", "string uint64":
		return s.Format + " in a string"
	case "string date-time":
		return `time, such as "2026-01-02T15:04:05Z"`
	case "string google-duration":
		return `duration, such as "1.5s"`
	case "integer int32", "integer uint32", "number float", "number double":
		return s.Format
	case " ":
		return "any JSON"
	}
	return s.Type
}

// types are those of a document.
type types struct {
	home    string // the package whose types are called by their short names, with a dot
	schemas ordered[schema]
	uses    map[string]int
	shown   map[string]bool   // where they are used, which is in one place
	links   map[string]string // where that is which a text may name
}

func readTypes(s spec) (*types, error) {
	schemas, err := decodeAll[schema](s.Components.Schemas)
	t := &types{schemas: schemas, home: s.Info.Title + ".", uses: map[string]int{}, shown: map[string]bool{}, links: map[string]string{}}
	for _, m := range schemas {
		t.count(m.Value)
		t.links[t.short(m.Name)] = m.Name
	}
	for _, tag := range s.Tags {
		t.links[tag.Name] = tag.Name
	}
	return t, err
}

func (t *types) use(id string) { t.uses[id]++ }

// count counts the types that s uses.
func (t *types) count(s schema) {
	t.use(s.id())
	for _, m := range s.Properties {
		t.count(m.Value)
	}
	for _, inner := range []*schema{s.Items, s.AdditionalProperties.schema} {
		if inner != nil {
			t.count(*inner)
		}
	}
}

func (t *types) schema(id string) schema {
	for _, m := range t.schemas {
		if m.Name == id {
			return m.Value
		}
	}
	return schema{}
}

// short is "Item" of "micro.kv.v1.Item".
func (t *types) short(id string) string { return strings.TrimPrefix(id, t.home) }

// foreign is 1 for types of other packages.
func (t *types) foreign(id string) int {
	if strings.HasPrefix(id, t.home) {
		return 0
	}
	return 1
}

// decodeAll decodes the members of an object.
func decodeAll[T any](raw ordered[json.RawMessage]) (ordered[T], error) {
	all := make(ordered[T], len(raw))
	for i, m := range raw {
		all[i].Name = m.Name
		if err := json.Unmarshal(m.Value, &all[i].Value); err != nil {
			return nil, err
		}
	}
	return all, nil
}
