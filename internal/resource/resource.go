// Package resource finds what a request touches by the option (micro.resource) of
// its fields.
package resource

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	micropb "github.com/micro/platform/proto/micro"
)

// Resource is one thing, or all whose names begin with Name.
type Resource struct {
	Namespace string // never empty; AllNamespaces for each there is
	Name      string
	Prefix    bool
}

func (r Resource) String() string {
	if r.Prefix {
		return r.Namespace + "/" + r.Name + "*"
	}
	return r.Namespace + "/" + r.Name
}

// DefaultNamespace is what an empty namespace means.
const DefaultNamespace = "default"

// AllNamespaces stands for every namespace. No namespace has this name.
const AllNamespaces = "*"

// Finder remembers where each type of message keeps its resources. The zero value is
// ready, for many goroutines.
type Finder struct {
	plans sync.Map // protoreflect.FullName to *plan
}

// Of returns the resources that req names, in the order of its fields: one for each
// name and prefix, or the namespace's own (with an empty name) where req has only
// that. It returns nil for a request without resources.
func (f *Finder) Of(req proto.Message) []Resource {
	m := req.ProtoReflect()
	p := f.plan(m.Descriptor())
	if !p.any() {
		return nil
	}
	namespace := DefaultNamespace
	if p.namespace != nil {
		if s := m.Get(p.namespace).String(); s != "" {
			namespace = s
		}
	}
	if p.everywhere != nil && m.Get(p.everywhere).Bool() {
		namespace = AllNamespaces
	}
	all := p.collect(nil, namespace, m)
	if len(all) == 0 && (p.namespace != nil || namespace == AllNamespaces) {
		all = append(all, Resource{Namespace: namespace})
	}
	return all
}

// List joins resources for a log line, the first eight of them.
func List(all []Resource) string {
	const most = 8
	var b strings.Builder
	for i, r := range all {
		if i == most {
			b.WriteString(" ...")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// plan is where a message type keeps resources.
type plan struct {
	namespace  protoreflect.FieldDescriptor
	everywhere protoreflect.FieldDescriptor // asks for all namespaces
	names      []field
	inner      []inner
}

type field struct {
	desc   protoreflect.FieldDescriptor
	prefix bool
	all    bool // asks for everything
}

type inner struct {
	desc protoreflect.FieldDescriptor
	plan *plan
}

func (p *plan) any() bool {
	return p.namespace != nil || p.everywhere != nil || len(p.names)+len(p.inner) > 0
}

func (p *plan) collect(to []Resource, namespace string, m protoreflect.Message) []Resource {
	for _, f := range p.names {
		v := m.Get(f.desc)
		if f.all {
			if v.Bool() {
				to = append(to, Resource{Namespace: namespace, Prefix: true})
			}
			continue
		}
		if !f.desc.IsList() {
			to = append(to, Resource{Namespace: namespace, Name: v.String(), Prefix: f.prefix})
			continue
		}
		for i, l := 0, v.List(); i < l.Len(); i++ {
			to = append(to, Resource{Namespace: namespace, Name: l.Get(i).String(), Prefix: f.prefix})
		}
	}
	for _, in := range p.inner {
		v := m.Get(in.desc)
		if !in.desc.IsList() {
			to = in.plan.collect(to, namespace, v.Message())
			continue
		}
		for i, l := 0, v.List(); i < l.Len(); i++ {
			to = in.plan.collect(to, namespace, l.Get(i).Message())
		}
	}
	return to
}

func (f *Finder) plan(d protoreflect.MessageDescriptor) *plan {
	if p, ok := f.plans.Load(d.FullName()); ok {
		return p.(*plan)
	}
	p := makePlan(d, nil)
	f.plans.Store(d.FullName(), p)
	return p
}

// makePlan leaves out a type that contains itself.
func makePlan(d protoreflect.MessageDescriptor, above []protoreflect.FullName) *plan {
	p := &plan{}
	above = append(above, d.FullName())
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		switch kind(f) {
		case micropb.Resource_RESOURCE_NAMESPACE:
			p.namespace = f
			continue
		case micropb.Resource_RESOURCE_ALL_NAMESPACES:
			p.everywhere = f
			continue
		case micropb.Resource_RESOURCE_NAME:
			p.names = append(p.names, field{desc: f})
			continue
		case micropb.Resource_RESOURCE_PREFIX:
			p.names = append(p.names, field{desc: f, prefix: true})
			continue
		case micropb.Resource_RESOURCE_ALL:
			p.names = append(p.names, field{desc: f, all: true})
			continue
		}
		if f.Message() == nil || f.IsMap() || slices.Contains(above, f.Message().FullName()) {
			continue
		}
		if in := makePlan(f.Message(), above); in.any() {
			p.inner = append(p.inner, inner{f, in})
		}
	}
	return p
}

// kind is what a field names, if it is of the type for that.
func kind(f protoreflect.FieldDescriptor) micropb.Resource {
	r, _ := proto.GetExtension(f.Options(), micropb.E_Resource).(micropb.Resource)
	want := protoreflect.StringKind
	if r == micropb.Resource_RESOURCE_ALL_NAMESPACES || r == micropb.Resource_RESOURCE_ALL {
		want = protoreflect.BoolKind
	}
	if f.Kind() != want || want == protoreflect.BoolKind && f.IsList() {
		return micropb.Resource_RESOURCE_UNSPECIFIED
	}
	return r
}
