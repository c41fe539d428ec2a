package reflection

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Methods returns the methods that the server has for its own sake: not those of the
// gRPC project, which nearly every server has.
func (c *Contract) Methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	for _, s := range c.Services {
		if strings.HasPrefix(string(s.FullName()), "grpc.") {
			continue
		}
		for i := range s.Methods().Len() {
			all = append(all, s.Methods().Get(i))
		}
	}
	return all
}

// Method finds a method by name: KV.Get, KV/Get, micro.kv.v1.KV/Get, with or without a
// slash before it. It returns nil where there is none of that name, and an error where
// there are several.
func (c *Contract) Method(name string) (protoreflect.MethodDescriptor, error) {
	name = strings.TrimPrefix(name, "/")
	cut := strings.LastIndexAny(name, "/.")
	if cut < 0 {
		return nil, nil //nolint:nilnil // see above
	}
	service, method := name[:cut], protoreflect.Name(name[cut+1:])
	var found protoreflect.MethodDescriptor
	for _, s := range c.Services {
		m := s.Methods().ByName(method)
		switch {
		case m == nil:
		case service == string(s.FullName()):
			return m, nil
		case service != string(s.Name()):
		case found != nil:
			return nil, fmt.Errorf("%s is a method of both %s and %s: say which", name, found.Parent().FullName(), s.FullName())
		default:
			found = m
		}
	}
	return found, nil
}

// Name is the shortest name of m that names no other method.
func (c *Contract) Name(m protoreflect.MethodDescriptor) string {
	if same, err := c.Method(Endpoint(m)); err == nil && same == m {
		return Endpoint(m)
	}
	return strings.TrimPrefix(Path(m), "/")
}

// Endpoint is what go-micro calls a method: KV.Get.
func Endpoint(m protoreflect.MethodDescriptor) string {
	return string(m.Parent().Name() + "." + m.Name())
}

// Path is what gRPC calls a method: /micro.kv.v1.KV/Get.
func Path(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// Kind tells who sends more than one message.
func Kind(m protoreflect.MethodDescriptor) string {
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		return "bidi"
	case m.IsStreamingClient():
		return "client stream"
	case m.IsStreamingServer():
		return "server stream"
	}
	return "unary"
}
