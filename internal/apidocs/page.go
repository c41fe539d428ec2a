package apidocs

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"slices"
	"strings"
)

//go:embed page.html
var markup string

//go:embed page.css
var style string

var layout = template.Must(template.New("page").Parse(markup)) //nolint:gochecknoglobals // a constant: Go has none of this kind

// page is what the template shows.
type page struct {
	Base     string // of the curl examples: "http://127.0.0.1:8106"
	Style    template.CSS
	Title    string
	Text     []block
	Services []service
	Headers  []entry
	Errors   []entry
	Types    []kind
}

type service struct {
	Name    string
	Text    []block
	Methods []method
}

// method is one RPC.
type method struct {
	Name, ID, Path    string
	Stream            bool
	Text              []block
	Request, Response body

	example string // JSON
}

// body is a type, shown where it stands if it stands nowhere else.
type body struct {
	Title string
	Ref   ref
	Kind  *kind
}

// kind is a message with its fields, or an enum with its values.
type kind struct {
	ID, Name string
	Text     []block
	Entries  []entry
}

// entry is a field, or whatever else has a name, a note beside it and a text below.
type entry struct {
	ID, Name string
	Note     ref
	Text     []block
}

// ref names a type: "list of", "Item", "micro.kv.v1.Item".
type ref struct{ Prefix, Name, ID string }

// newPage returns the page of a document that readSpec has read.
func newPage(s spec) (page, error) {
	p := page{Title: s.Info.Title, Style: template.CSS(style)} //nolint:gosec // ours
	t, err := readTypes(s)
	if err != nil {
		return p, err
	}
	ops, err := decodeAll[struct{ Post operation }](s.Paths)
	if err != nil {
		return p, err
	}
	for _, op := range ops {
		t.use(op.Value.Post.in().message())
		t.use(op.Value.Post.out().message())
		t.links[endpoint(op.Name)] = endpoint(op.Name)
	}
	p.Text = t.blocks(s.Info.Description, "")
	for _, tag := range s.Tags {
		one := service{Name: tag.Name, Text: t.blocks(tag.Description, tag.Name)}
		for _, op := range ops {
			if strings.HasPrefix(endpoint(op.Name), tag.Name+".") {
				one.Methods = append(one.Methods, t.method(op.Name, op.Value.Post))
			}
		}
		p.Services = append(p.Services, one)
	}
	for _, m := range t.schemas {
		if !t.shown[m.Name] {
			p.Types = append(p.Types, t.kind(m.Name, m.Value))
		}
	}
	slices.SortStableFunc(p.Types, func(a, b kind) int { return t.foreign(a.ID) - t.foreign(b.ID) })
	if p.Headers, err = t.entries(s.Components.Parameters, ""); err != nil {
		return p, err
	}
	p.Errors, err = t.entries(s.Components.Responses, ": ") // "not_found: There is no such thing."
	return p, err
}

// entries are things with a description, which may begin with a note.
func (t *types) entries(raw ordered[json.RawMessage], sep string) ([]entry, error) {
	things, err := decodeAll[struct{ Description string }](raw)
	var all []entry
	for _, m := range things {
		note, text, _ := strings.Cut(m.Value.Description, sep)
		all = append(all, entry{Name: m.Name, Note: ref{Name: note}, Text: t.blocks(text, "")})
	}
	return all, err
}

// endpoint is "KV.Get" of "/micro.kv.v1.KV/Get".
func endpoint(path string) string {
	service, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return service[strings.LastIndexByte(service, '.')+1:] + "." + name
}

func (t *types) method(path string, op operation) method {
	in, out, id := op.in(), op.out(), endpoint(path)
	return method{
		Name: id[strings.IndexByte(id, '.')+1:], ID: id, Path: path, Stream: in.Message.Ref != "",
		Text:    append(t.blocks(op.Summary, id), t.blocks(op.Description, id)...),
		Request: t.body("Request", in.message()), Response: t.body("Response", out.message()), example: in.example(),
	}
}

func (t *types) body(title, id string) body {
	b := body{Title: title, Ref: ref{Name: t.short(id), ID: id}}
	if t.uses[id] == 1 {
		t.shown[id] = true
		k := t.kind(id, t.schema(id))
		b.Kind = &k
	}
	return b
}

func (t *types) kind(id string, s schema) kind {
	k := kind{ID: id, Name: t.short(id)}
	text, values, _ := strings.Cut(s.Description, "\n\n- ")
	if len(s.Enum) == 0 {
		text = s.Description
	}
	k.Text = t.blocks(text, id)
	for i := range s.Enum {
		line, rest, _ := strings.Cut(values, "\n- ")
		k.Entries = append(k.Entries, entry{Name: s.Enum[i], Text: t.blocks(strings.TrimPrefix(line, s.Enum[i]+": "), id)})
		values = rest
	}
	for _, m := range s.Properties {
		k.Entries = append(k.Entries, entry{ID: id + "." + m.Name, Name: m.Name, Note: t.ref(m.Value), Text: t.blocks(m.Value.Description, id)})
	}
	return k
}

// ref says what a field is made of.
func (t *types) ref(s schema) ref {
	switch id := s.id(); {
	case id != "":
		return ref{Name: t.short(id), ID: id}
	case s.Items != nil:
		return t.ref(*s.Items).of("list of ")
	case s.AdditionalProperties.schema != nil:
		return t.ref(*s.AdditionalProperties.schema).of("map of string to ")
	}
	return ref{Name: s.scalar()}
}

func (r ref) of(prefix string) ref {
	r.Prefix = prefix + r.Prefix
	return r
}
