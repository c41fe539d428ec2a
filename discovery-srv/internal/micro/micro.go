// Package micro turns what go-micro's registry knows of endpoints into what Registry says,
// and back.
package micro

import (
	"slices"
	"strings"

	"go-micro.dev/v5/registry"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// deepest is how many values may stand in each other: no more than the contract allows.
const deepest = 8

// EndpointsFrom is for what is told by anybody: what is no UTF-8 is replaced, and what is
// too deep left out.
func EndpointsFrom(all []*registry.Endpoint) []*discoverypb.Endpoint {
	var out []*discoverypb.Endpoint
	for _, e := range all {
		if e != nil {
			out = append(out, &discoverypb.Endpoint{
				Name: Text(e.Name), Metadata: Texts(e.Metadata), Request: valueFrom(e.Request, 1), Response: valueFrom(e.Response, 1),
			})
		}
	}
	return out
}

func valueFrom(v *registry.Value, depth int) *discoverypb.Value {
	if v == nil {
		return nil
	}
	out := &discoverypb.Value{Name: Text(v.Name), Type: Text(v.Type)}
	for _, in := range v.Values {
		if in != nil && depth < deepest {
			out.Values = append(out.Values, valueFrom(in, depth+1))
		}
	}
	return out
}

// EndpointsTo is the way back.
func EndpointsTo(all []*discoverypb.Endpoint) []*registry.Endpoint {
	var out []*registry.Endpoint
	for _, e := range all {
		out = append(out, &registry.Endpoint{
			Name: e.GetName(), Metadata: e.GetMetadata(), Request: valueTo(e.GetRequest()), Response: valueTo(e.GetResponse()),
		})
	}
	return out
}

func valueTo(v *discoverypb.Value) *registry.Value {
	if v == nil {
		return nil
	}
	out := &registry.Value{Name: v.GetName(), Type: v.GetType()}
	for _, in := range v.GetValues() {
		out.Values = append(out.Values, valueTo(in))
	}
	return out
}

// Text is UTF-8.
func Text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Texts is a copy in UTF-8; nil for nothing. Of names that become the same one counts the one
// that was it before, or else the first by its bytes: so it is always the same.
func Texts(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	var odd []string
	for k, v := range m {
		if Text(k) != k {
			odd = append(odd, k)
			continue
		}
		out[k] = Text(v)
	}
	slices.Sort(odd)
	for _, k := range odd {
		if _, there := out[Text(k)]; !there {
			out[Text(k)] = Text(m[k])
		}
	}
	return out
}
