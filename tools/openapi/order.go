package main

import (
	"bytes"
	"encoding/json"
	"slices"
)

// member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// ordered writes JSON for people: indented, and the members of an object in the order
// that its path has, then as they were.
func ordered(data []byte, order map[string][]string) ([]byte, error) {
	var b bytes.Buffer
	if err := rewrite(&b, data, "", order); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err := json.Indent(&out, b.Bytes(), "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

func rewrite(b *bytes.Buffer, data []byte, path string, order map[string][]string) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return rewriteArray(b, data, path, order)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return scalar(b, data)
	}
	all, err := members(data)
	if err != nil {
		return err
	}
	first := order[path]
	rank := func(m member) int {
		if i := slices.Index(first, m.name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortStableFunc(all, func(a, b member) int { return rank(a) - rank(b) })
	b.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return err
		}
		b.Write(append(name, ':'))
		if err := rewrite(b, m.value, path+"/"+m.name, order); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func rewriteArray(b *bytes.Buffer, data []byte, path string, order map[string][]string) error {
	var all []json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	b.WriteByte('[')
	for i, v := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := rewrite(b, v, path, order); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

// scalar writes a string without escapes that only HTML needs.
func scalar(b *bytes.Buffer, data []byte) error {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line's end
	return nil
}

// members returns those of an object as they come.
func members(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var all []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
