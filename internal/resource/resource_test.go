package resource_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/micro/platform/internal/resource"
	micropb "github.com/micro/platform/proto/micro"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

func TestOf(t *testing.T) {
	type all = []resource.Resource
	tests := map[string]struct {
		req  proto.Message
		want all
	}{
		"a name":                   {&kvpb.GetRequest{Namespace: "billing", Key: "a"}, all{{Namespace: "billing", Name: "a"}}},
		"the default namespace":    {&kvpb.GetRequest{Key: "a"}, all{{Namespace: "default", Name: "a"}}},
		"an empty name":            {&kvpb.GetRequest{}, all{{Namespace: "default"}}},
		"no field for a namespace": {&echopb.CallRequest{Text: "hi"}, all{{Namespace: "default", Name: "hi"}}},
		"a prefix":                 {&kvpb.ListRequest{Namespace: "billing", Prefix: "a/"}, all{{Namespace: "billing", Name: "a/", Prefix: true}}},
		"an empty prefix":          {&kvpb.WatchRequest{}, all{{Namespace: "default", Prefix: true}}},
		"repeated names": {
			&kvpb.BatchGetRequest{Namespace: "billing", Keys: []string{"a", "b", "a"}},
			all{{Namespace: "billing", Name: "a"}, {Namespace: "billing", Name: "b"}, {Namespace: "billing", Name: "a"}},
		},
		"no repeated name": {&kvpb.BatchGetRequest{Namespace: "billing"}, all{{Namespace: "billing"}}},
		"names in repeated messages": {
			&kvpb.BatchPutRequest{Namespace: "billing", Writes: []*kvpb.BatchPutRequest_Write{{Key: "a"}, {Key: "b"}}},
			all{{Namespace: "billing", Name: "a"}, {Namespace: "billing", Name: "b"}},
		},
		"no repeated message":   {&kvpb.BatchPutRequest{}, all{{Namespace: "default"}}},
		"one of all namespaces": {&kvpb.ListHotKeysRequest{Namespace: "billing"}, all{{Namespace: "billing"}}},
		"all namespaces":        {&kvpb.ListHotKeysRequest{AllNamespaces: true}, all{{Namespace: "*"}}},
		"everything": {
			&discoverypb.WatchRequest{Namespace: "billing", AllServices: true},
			all{{Namespace: "billing", Prefix: true}},
		},
		"everything, and not asked for": {
			&discoverypb.WatchRequest{Namespace: "billing", Services: []string{"a", "b"}},
			all{{Namespace: "billing", Name: "a"}, {Namespace: "billing", Name: "b"}},
		},
		"everything and names": {
			&discoverypb.WatchRequest{Services: []string{"a"}, AllServices: true},
			all{{Namespace: "default", Name: "a"}, {Namespace: "default", Prefix: true}},
		},
		"everything of all namespaces": {&discoverypb.WatchRequest{AllServices: true, AllNamespaces: true}, all{{Namespace: "*", Prefix: true}}},
		"nothing of what there may be": {&discoverypb.WatchRequest{}, all{{Namespace: "default"}}},
		"none":                         {&echopb.CountRequest{Count: 3}, nil},
		"no field":                     {&emptypb.Empty{}, nil},
		"not even a message":           {(*kvpb.GetRequest)(nil), all{{Namespace: "default"}}},
	}
	var find resource.Finder
	for name, tt := range tests {
		for range 2 { // the second time from memory
			if diff := cmp.Diff(tt.want, find.Of(tt.req)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestShapes finds names in shapes that no contract has yet.
func TestShapes(t *testing.T) {
	file := shapes(t)
	request := file.Messages().ByName("Request")
	req, inner, deeper := dynamicpb.NewMessage(request), dynamicpb.NewMessage(file.Messages().ByName("Inner")), dynamicpb.NewMessage(request)
	set := func(m *dynamicpb.Message, field string, v any) {
		m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(v))
	}
	set(req, "namespace", "billing")
	set(req, "name", "outer")
	set(req, "plain", "not a resource")
	set(req, "number", int64(7))
	set(inner, "prefix", "inner/")
	set(deeper, "name", "not looked for")
	set(inner, "again", protoreflect.ValueOfMessage(deeper).Message())
	set(req, "inner", protoreflect.ValueOfMessage(inner).Message())

	var find resource.Finder
	want := []resource.Resource{{Namespace: "billing", Name: "outer"}, {Namespace: "billing", Name: "inner/", Prefix: true}}
	if diff := cmp.Diff(want, find.Of(req)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A handler may take what is not there for what is empty, so this asks for all.
	want = []resource.Resource{{Namespace: "default"}, {Namespace: "default", Prefix: true}}
	if diff := cmp.Diff(want, find.Of(dynamicpb.NewMessage(request))); diff != "" {
		t.Errorf("nothing set (-want +got):\n%s", diff)
	}
}

// shapes has Request{namespace, name, plain, number, inner} and Inner{prefix, again},
// where again is a Request.
func shapes(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	field := func(number int32, name string, kind micropb.Resource, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Options: &descriptorpb.FieldOptions{},
		}
		if message != "" {
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), new(".shapes."+message)
		}
		if kind != micropb.Resource_RESOURCE_UNSPECIFIED {
			proto.SetExtension(f.GetOptions(), micropb.E_Resource, kind)
		}
		return f
	}
	const none = micropb.Resource_RESOURCE_UNSPECIFIED
	number := field(4, "number", micropb.Resource_RESOURCE_NAME, "") // the option means nothing there
	number.Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("shapes.proto"), Package: new("shapes"), Syntax: new("proto3"), Dependency: []string{"micro/micro.proto"},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("Request"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "namespace", micropb.Resource_RESOURCE_NAMESPACE, ""), field(2, "name", micropb.Resource_RESOURCE_NAME, ""),
				field(3, "plain", none, ""), number, field(5, "inner", none, "Inner"),
			}},
			{Name: new("Inner"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "prefix", micropb.Resource_RESOURCE_PREFIX, ""), field(2, "again", none, "Request"),
			}},
		},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConcurrently(t *testing.T) {
	var find resource.Finder
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			key := fmt.Sprint(i)
			for range 100 {
				got := find.Of(&kvpb.GetRequest{Key: key})
				if len(got) != 1 || got[0].Name != key {
					t.Errorf("got %v, want %s", got, key)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestList(t *testing.T) {
	names := func(n int) []resource.Resource {
		var all []resource.Resource
		for i := range n {
			all = append(all, resource.Resource{Namespace: "n", Name: fmt.Sprint(i), Prefix: i == 1})
		}
		return all
	}
	for n, want := range map[int]string{
		0: "", 1: "n/0", 2: "n/0 n/1*",
		8: "n/0 n/1* n/2 n/3 n/4 n/5 n/6 n/7",
		9: "n/0 n/1* n/2 n/3 n/4 n/5 n/6 n/7 ...",
	} {
		if got := resource.List(names(n)); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	batch := &kvpb.BatchPutRequest{}
	for i := range 100 {
		batch.Writes = append(batch.Writes, &kvpb.BatchPutRequest_Write{Key: fmt.Sprint(i)})
	}
	for name, req := range map[string]proto.Message{
		"none": &echopb.CountRequest{Count: 1}, "one": &kvpb.GetRequest{Namespace: "billing", Key: "a"}, "batch of 100": batch,
	} {
		b.Run(name, func(b *testing.B) {
			var find resource.Finder
			b.ReportAllocs()
			for b.Loop() {
				find.Of(req)
			}
		})
	}
}
