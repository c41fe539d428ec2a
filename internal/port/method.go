package port

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"go-micro.dev/v5/server"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/micro/platform/internal/rpcerr"
)

// method is one RPC of a handler that was registered in go-micro's way. Every door
// calls it through run: the handler inside of the chain of wrappers.
type method struct {
	endpoint string // "KV.Get"
	path     string // "/micro.kv.v1.KV/Get", or "/Greeter/Hello" of a handler without a proto file
	run      server.HandlerFunc
	in, out  reflect.Type // of a unary method, without the pointer; else nil
	// callerStreams and serverStreams say who sends more than one message.
	callerStreams, serverStreams bool
}

func (m *method) unary() bool { return m.in != nil }
func (m *method) newIn() any  { return reflect.New(m.in).Interface() }
func (m *method) newOut() any { return reflect.New(m.out).Interface() }

// methods returns the methods of h. A handler without a proto file has no gRPC
// service and speaks JSON alone.
func methods(h server.Handler) (protoreflect.ServiceDescriptor, []*method) {
	v := reflect.ValueOf(h.Handler())
	sd := describe(h.Name(), v.Type())
	prefix := "/" + h.Name() + "/"
	if sd != nil {
		prefix = "/" + string(sd.FullName()) + "/"
	}
	var all []*method
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		m := newMethod(v.Method(i))
		if m == nil {
			continue
		}
		m.endpoint, m.path = h.Name()+"."+name, prefix+name
		if sd != nil {
			md := sd.Methods().ByName(protoreflect.Name(name))
			m.callerStreams, m.serverStreams = md.IsStreamingClient(), md.IsStreamingServer()
		}
		all = append(all, m)
	}
	return sd, all
}

// Unary makes a function of an RPC one that calls handle, without the reflection that finds
// the methods of a handler. Reflection costs a call in memory a fifth of its time.
func Unary[In, Out any](handle func(context.Context, *In, *Out) error) server.HandlerFunc {
	return func(ctx context.Context, req server.Request, rsp any) error {
		in, ok := req.Body().(*In)
		out, same := rsp.(*Out)
		if !ok || !same {
			return rpcerr.New(codes.Internal, "internal", "%s takes no %T to answer with %T", req.Endpoint(), req.Body(), rsp)
		}
		return handle(ctx, in, out)
	}
}

// newMethod returns nil for a function that has not the form of an RPC: (context,
// *request, *response) error, or (context, server.Stream) error.
func newMethod(fn reflect.Value) *method {
	t := fn.Type()
	if t.NumOut() != 1 || t.Out(0) != reflect.TypeFor[error]() || t.NumIn() == 0 || t.In(0) != reflect.TypeFor[context.Context]() {
		return nil
	}
	switch {
	case t.NumIn() == 3 && t.In(1).Kind() == reflect.Pointer && t.In(2).Kind() == reflect.Pointer:
		return &method{in: t.In(1).Elem(), out: t.In(2).Elem(), run: func(ctx context.Context, req server.Request, rsp any) error {
			return result(fn.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(req.Body()), reflect.ValueOf(rsp)}))
		}}
	case t.NumIn() == 2 && t.In(1).Kind() == reflect.Interface:
		return &method{callerStreams: true, serverStreams: true, run: func(ctx context.Context, _ server.Request, rsp any) error {
			return result(fn.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(rsp)}))
		}}
	}
	return nil
}

func result(out []reflect.Value) error {
	err, _ := reflect.TypeAssert[error](out[0])
	return err
}

// describe finds the one linked service called name whose methods are those of t.
func describe(name string, t reflect.Type) (found protoreflect.ServiceDescriptor) {
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		sd := fd.Services().ByName(protoreflect.Name(name))
		if sd == nil || sd.Methods().Len() != t.NumMethod() {
			return true
		}
		for method := range t.Methods() {
			if sd.Methods().ByName(protoreflect.Name(method.Name)) == nil {
				return true
			}
		}
		found = sd
		return false
	})
	return found
}

// wrap puts m inside of the wrappers, the first of them outermost. What a door could
// not read reaches the innermost, so that every call is counted and logged once, and so
// does the stall of a caller, whatever the handler makes of it.
func (m *method) wrap(wrappers []server.HandlerWrapper) {
	serve := m.run
	m.run = func(ctx context.Context, req server.Request, rsp any) error {
		if r, ok := req.(*request); ok && r.bad != nil {
			return r.bad
		}
		err := serve(ctx, req, rsp)
		if st, ok := rsp.(server.Stream); ok && !hasStalled(err) && hasStalled(st.Error()) {
			return st.Error()
		}
		return err
	}
	for _, wrapper := range slices.Backward(wrappers) {
		m.run = wrapper(m.run)
	}
}

// unknown is the method that stands for all that do not exist.
func unknown() *method {
	return &method{endpoint: "unknown", run: func(context.Context, server.Request, any) error {
		return rpcerr.New(codes.Unimplemented, "unimplemented", "no such method")
	}}
}

// table finds methods by what callers call them.
type table struct {
	byPath     map[string]*method // "/micro.kv.v1.KV/Get"
	byEndpoint map[string]*method // "KV.Get"
	unknown    *method
}

func (t *table) add(m *method) {
	t.byPath[m.path] = m
	t.byEndpoint[m.endpoint] = m
}

// path finds a method by /package.Service/Method. go-micro's gRPC clients put the
// registered name before the service, or nothing: the last word of it decides.
func (t *table) path(path string) *method {
	if m := t.byPath[path]; m != nil {
		return m
	}
	service, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return nil
	}
	return t.byEndpoint[service[strings.LastIndexByte(service, '.')+1:]+"."+name]
}
