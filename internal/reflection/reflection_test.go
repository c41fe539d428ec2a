package reflection_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/micro/platform/internal/reflection"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// server answers reflection as some servers do: with one file at a time.
type server struct {
	reflectionpb.UnimplementedServerReflectionServer
	services []string
	without  string // a file that it does not have
}

func (s *server) ServerReflectionInfo(st grpc.BidiStreamingServer[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]) error {
	for {
		req, err := st.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client has what it wants
		}
		if err := st.Send(s.answer(req)); err != nil {
			return err
		}
	}
}

func (s *server) answer(req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	var file protoreflect.FileDescriptor
	switch m := req.GetMessageRequest().(type) {
	case *reflectionpb.ServerReflectionRequest_ListServices:
		list := &reflectionpb.ListServiceResponse{}
		for _, name := range s.services {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}}
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(m.FileContainingSymbol))
		if err != nil {
			return unknown(m.FileContainingSymbol)
		}
		file = d.ParentFile()
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		f, err := protoregistry.GlobalFiles.FindFileByPath(m.FileByFilename)
		if err != nil || f.Path() == s.without {
			return unknown(m.FileByFilename)
		}
		file = f
	}
	b, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
	if err != nil {
		panic(err)
	}
	return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: [][]byte{b}},
	}}
}

func unknown(what string) *reflectionpb.ServerReflectionResponse {
	return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: "no " + what},
	}}
}

// serve runs a server, with reflection if s is not nil.
func serve(t *testing.T, s *server) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	if s != nil {
		reflectionpb.RegisterServerReflectionServer(g, s)
	}
	healthpb.RegisterHealthServer(g, health{})
	go g.Serve(l) //nolint:errcheck // ends with Stop
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

type health struct {
	healthpb.UnimplementedHealthServer
}

func (health) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// TestFetch asks for what a file imports, and finds methods by each of their names.
func TestFetch(t *testing.T) {
	conn := serve(t, &server{services: []string{"micro.kv.v1.KV", "grpc.health.v1.Health"}})
	c, err := reflection.Fetch(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var endpoints []string
	for _, m := range c.Methods() {
		endpoints = append(endpoints, reflection.Endpoint(m)+" "+reflection.Kind(m))
	}
	if len(endpoints) != 13 || !slices.Contains(endpoints, "KV.Watch server stream") {
		t.Errorf("got %q", endpoints)
	}
	for name, want := range map[string]string{
		"KV.Get": "/micro.kv.v1.KV/Get", "KV/Get": "/micro.kv.v1.KV/Get", "micro.kv.v1.KV/Get": "/micro.kv.v1.KV/Get",
		"/micro.kv.v1.KV/Get": "/micro.kv.v1.KV/Get", "micro.kv.v1.KV.Get": "/micro.kv.v1.KV/Get",
		"Health.Check": "/grpc.health.v1.Health/Check",
		"Get":          "", "KV.": "", ".Get": "", "": "", "v1.KV/Get": "", "KV.get": "",
	} {
		m, err := c.Method(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := m; (got == nil) != (want == "") || got != nil && reflection.Path(got) != want {
			t.Errorf("%q: got %v, want %s", name, got, want)
		}
	}
}

// TestFetchIncomplete fails with what is missing.
func TestFetchIncomplete(t *testing.T) {
	for want, s := range map[string]*server{
		"contract in micro/micro.proto":   {services: []string{"micro.kv.v1.KV"}, without: "micro/micro.proto"},
		"contract of micro.kv.v1.Nothing": {services: []string{"micro.kv.v1.Nothing"}},
	} {
		_, err := reflection.Fetch(t.Context(), serve(t, s))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
	_, err := reflection.Fetch(t.Context(), serve(t, nil))
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a server without reflection: got %v, want Unimplemented", err)
	}
}

// TestMethodOfTwo takes no side.
func TestMethodOfTwo(t *testing.T) {
	c := &reflection.Contract{}
	for _, pkg := range []string{"a", "b"} {
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: new(pkg + ".proto"), Package: new(pkg), Syntax: new("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("S"), Method: []*descriptorpb.MethodDescriptorProto{
				{Name: new("Do"), InputType: new("." + pkg + ".M"), OutputType: new("." + pkg + ".M")},
			}}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Services = append(c.Services, file.Services().Get(0))
	}
	if m, err := c.Method("S.Do"); m != nil || err == nil {
		t.Errorf("got %v, error %v, want an error", m, err)
	}
	if m, err := c.Method("b.S/Do"); err != nil || reflection.Path(m) != "/b.S/Do" {
		t.Errorf("got %v, error %v", m, err)
	}
}

// TestDo hands over the errors of both sides as they are.
func TestDo(t *testing.T) {
	conn := serve(t, nil)
	check := healthpb.File_grpc_health_v1_health_proto.Services().Get(0).Methods().ByName("Check")
	own := errors.New("own")
	next := func() (proto.Message, error) { return dynamicpb.NewMessage(check.Input()), nil }
	emit := func(proto.Message) error { return nil }
	if err := (reflection.Call{Method: check, Next: next, Emit: emit}).Do(t.Context(), conn); err != nil {
		t.Errorf("got error %v", err)
	}
	if err := (reflection.Call{Method: check, Next: next, Emit: func(proto.Message) error { return own }}).Do(t.Context(), conn); !errors.Is(err, own) {
		t.Errorf("got error %v, want that of Emit", err)
	}
	if err := (reflection.Call{Method: check, Next: func() (proto.Message, error) { return nil, own }, Emit: emit}).Do(t.Context(), conn); !errors.Is(err, own) {
		t.Errorf("got error %v, want that of Next", err)
	}
	watch := healthpb.File_grpc_health_v1_health_proto.Services().Get(0).Methods().ByName("Watch")
	if err := (reflection.Call{Method: watch, Next: next, Emit: emit}).Do(t.Context(), conn); status.Code(err) != codes.Unimplemented {
		t.Errorf("got error %v, want Unimplemented", err)
	}
}

// TestSkeleton is JSON of the message.
func TestSkeleton(t *testing.T) {
	for _, m := range []proto.Message{
		&kvpb.PutRequest{}, &kvpb.BatchPutRequest{}, &kvpb.WatchResponse{}, &kvpb.BatchGetResponse{},
		&descriptorpb.DescriptorProto{}, &structpb.Struct{}, &structpb.Value{}, &structpb.ListValue{},
	} {
		text := reflection.Skeleton(m.ProtoReflect().Descriptor())
		if err := protojson.Unmarshal([]byte(text), m); err != nil {
			t.Errorf("%T: %s: %v", m, text, err)
		}
	}
	const want = `{"namespace":"","key":"","value":"","ttl":"1s","metadata":{},"ifAbsent":false,"ifVersion":"0","requestId":""}`
	if got := reflection.Skeleton((&kvpb.PutRequest{}).ProtoReflect().Descriptor()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := reflection.Skeleton((&descriptorpb.DescriptorProto{}).ProtoReflect().Descriptor()); strings.Contains(got, "nestedType") {
		t.Errorf("got %s, which has itself within", got)
	}
}
