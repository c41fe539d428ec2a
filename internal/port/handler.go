package port

import (
	"maps"
	"reflect"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
)

// handler is go-micro's server.Handler. Its endpoints have names and no types: types
// come exactly from reflection, and a registry record must fit into a packet of
// multicast DNS. (go-micro's own handler also reads the source files at run time.)
type handler struct {
	name      string
	value     any
	opts      server.HandlerOptions
	endpoints []*registry.Endpoint
}

var _ server.Handler = (*handler)(nil)

func newHandler(v any, opts ...server.HandlerOption) *handler {
	h := &handler{
		name:  reflect.Indirect(reflect.ValueOf(v)).Type().Name(),
		value: v,
		opts:  server.HandlerOptions{Metadata: map[string]map[string]string{}},
	}
	for _, o := range opts {
		o(&h.opts)
	}
	t := reflect.ValueOf(v)
	for i := range t.NumMethod() {
		m := newMethod(t.Method(i))
		if m == nil {
			continue
		}
		e := &registry.Endpoint{Name: h.name + "." + t.Type().Method(i).Name, Metadata: map[string]string{}}
		if !m.unary() {
			e.Metadata["stream"] = "true" // what go-micro's tools look for
		}
		maps.Copy(e.Metadata, h.opts.Metadata[e.Name])
		h.endpoints = append(h.endpoints, e)
	}
	return h
}

func (h *handler) Name() string                    { return h.name }
func (h *handler) Handler() any                    { return h.value }
func (h *handler) Endpoints() []*registry.Endpoint { return h.endpoints }
func (h *handler) Options() server.HandlerOptions  { return h.opts }
