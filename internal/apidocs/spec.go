package apidocs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// spec is all that an OpenAPI document of ours has, in its order.
type spec struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      ordered[json.RawMessage] `json:"paths"`
	Components struct {
		Parameters ordered[json.RawMessage] `json:"parameters"`
		Responses  ordered[json.RawMessage] `json:"responses"`
		Schemas    ordered[json.RawMessage] `json:"schemas"`
	} `json:"components"`
}

// ordered is a JSON object whose order says something.
type ordered[T any] []member[T]

type member[T any] struct {
	Name  string
	Value T
}

func (o *ordered[T]) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		m := member[T]{}
		m.Name, _ = name.(string)
		if err := dec.Decode(&m.Value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	return nil
}

func (o ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(m.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.Value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// add adds those members that o does not have.
func (o *ordered[T]) add(more ordered[T]) {
	for _, m := range more {
		if !slices.ContainsFunc(*o, func(have member[T]) bool { return have.Name == m.Name }) {
			*o = append(*o, m)
		}
	}
}

// readSpec reads what a document says of one service.
func readSpec(text []byte, service string) (spec, error) {
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	s.Paths = slices.DeleteFunc(s.Paths, func(m member[json.RawMessage]) bool { return !strings.HasPrefix(m.Name, "/"+service+"/") })
	tag := service[strings.LastIndexByte(service, '.')+1:]
	for i, t := range s.Tags {
		if t.Name == tag {
			s.Tags = s.Tags[i : i+1]
			break
		}
	}
	return s, nil
}

// merge makes one document of those of several services.
func merge(all []spec) spec {
	s := all[0]
	for _, other := range all[1:] {
		if other.Info.Title != all[0].Info.Title {
			s.Info.Title += ", " + other.Info.Title
		}
		for p := range strings.SplitSeq(other.Info.Description, "\n\n") {
			if !strings.Contains(s.Info.Description, p) {
				s.Info.Description = p + "\n\n" + s.Info.Description
			}
		}
		s.Tags = append(s.Tags, other.Tags...)
		s.Paths.add(other.Paths)
		s.Components.Parameters.add(other.Components.Parameters)
		s.Components.Responses.add(other.Components.Responses)
		s.Components.Schemas.add(other.Components.Schemas)
	}
	return s
}

// text is the document for whoever asks.
func (s spec) text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(s)
	return b.Bytes(), err
}
