package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// sources are a package of two files and one without services.
var sources = map[string]string{
	"micro/odd/v1/odd.proto": `syntax = "proto3";
// What is odd.
package micro.odd.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "micro/odd/v1/tree.proto";
option go_package = "example.com/odd;oddpb";

// Odd has methods of every kind.
//
// See the page_token:
//   - one, which
//     goes on
//   - two
// The end.
service Odd {
  // One does. It
  // takes an if_version.
  //
  // More.
  rpc One(OneRequest) returns (OneResponse);
  // Down sends many.
  rpc Down(OneRequest) returns (stream OneResponse);
  // Up takes many.
  rpc Up(stream OneRequest) returns (OneResponse);
  // Both does both.
  rpc Both(stream OneRequest) returns (stream OneResponse);
}
// OneRequest is odd.
message OneRequest {
  string namespace = 1;
  // Of a thing.
  string some_name = 2;
  string page_token = 3;
  uint64 if_version = 4;
  repeated google.protobuf.Duration waits = 5;
  // By name.
  map<string, google.protobuf.Duration> by_name = 6;
  google.protobuf.Duration wait = 7;
  // The tree.
  Tree tree = 8;
  Tree bare = 9;
  repeated Tree trees = 10;
  optional int64 maybe = 11;
  oneof either { string left = 12; string right = 13; }
  bytes data = 14;
  double ratio = 15;
}
// OneResponse has what others made.
message OneResponse {
  // Anything.
  google.protobuf.Any any = 1;
  google.protobuf.Struct object = 2;
  google.protobuf.Int64Value wrapped = 3;
  google.protobuf.Timestamp at = 4;
  // Which.
  Kind kind = 5;
  map<string, Tree> trees = 6;
}
`,
	"micro/odd/v1/tree.proto": `syntax = "proto3";
package micro.odd.v1;
option go_package = "example.com/odd;oddpb";
// Tree has trees.
message Tree {
  // Below.
  repeated Tree trees = 1;
  int32 size = 2;
}
// Kind is <one> & "only".
enum Kind {
  // None.
  KIND_UNSPECIFIED = 0;
  // Some, with
  // a some_name.
  KIND_SOME = 1;
}
// Second comes after Odd.
service Second {
  // Do does.
  rpc Do(DoRequest) returns (DoResponse);
}
// DoRequest is empty.
message DoRequest {}
// DoResponse is empty.
message DoResponse {}
`,
	"micro/none.proto": `syntax = "proto3";
package micro;
option go_package = "example.com/none;nonepb";
message None {}
`,
}

// generate returns what the plugin answers for the sources.
func generate(t *testing.T) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	var paths []string
	for path := range sources {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: paths}
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) { // what a file imports comes before it
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		req.ProtoFile = append(req.ProtoFile, descriptor(fd))
	}
	for _, fd := range files {
		add(fd)
	}
	in, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), bytes.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	rsp := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out.Bytes(), rsp); err != nil {
		t.Fatal(err)
	}
	return rsp
}

func descriptor(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	p := protodesc.ToFileDescriptorProto(fd)
	p.SourceCodeInfo = &descriptorpb.SourceCodeInfo{}
	for i := range fd.SourceLocations().Len() {
		at := fd.SourceLocations().Get(i)
		l := &descriptorpb.SourceCodeInfo_Location{
			Path: at.Path, Span: []int32{int32(at.StartLine), int32(at.StartColumn), int32(at.EndLine), int32(at.EndColumn)},
		}
		if at.LeadingComments != "" {
			l.LeadingComments = new(at.LeadingComments)
		}
		p.SourceCodeInfo.Location = append(p.SourceCodeInfo.Location, l)
	}
	return p
}

func TestGenerate(t *testing.T) {
	rsp := generate(t)
	if len(rsp.GetFile()) != 1 || rsp.GetFile()[0].GetName() != "micro/odd/v1/openapi.json" {
		t.Fatalf("got %v", rsp.GetFile())
	}
	text := rsp.GetFile()[0].GetContent()
	if again := generate(t).GetFile()[0].GetContent(); again != text {
		t.Error("two documents of the same contract differ")
	}
	if !strings.HasSuffix(text, "}\n") || strings.Contains(text, "\r") || strings.Contains(text, "grpc-gateway") || strings.Contains(text, "rpcStatus") {
		t.Errorf("got %q", text)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if doc.Info.Title != "micro.odd.v1" || doc.Info.Version != "v1" || !strings.HasPrefix(doc.Info.Description, "What is odd.\n\nEach method") {
		t.Errorf("got %+v", doc.Info)
	}
	if got, want := doc.Tags[0].Description, "Odd has methods of every kind.\n\nSee the pageToken:\n\n- one, which goes on\n- two\n\nThe end."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var places []int
	for _, next := range []string{`"/micro.odd.v1.Odd/One"`, `"/micro.odd.v1.Odd/Down"`, `"/micro.odd.v1.Odd/Up"`, `"/micro.odd.v1.Odd/Both"`, `"/micro.odd.v1.Second/Do"`, `"namespace": {`, `"someName": {`, `"pageToken": {`} {
		places = append(places, strings.Index(text, next))
	}
	if !slices.IsSorted(places) || places[0] < 0 {
		t.Errorf("the order is not that of the contract: %v", places)
	}
}

func TestOperations(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(generate(t).GetFile()[0].GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	one := doc.Paths.Value("/micro.odd.v1.Odd/One").Post
	if one.Summary != "One does." || one.Description != "It takes an ifVersion.\n\nMore." || one.OperationID != "Odd_One" {
		t.Errorf("got %q, %q, %q", one.Summary, one.Description, one.OperationID)
	}
	example, err := json.Marshal(one.RequestBody.Value.Content["application/json"].Example)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"bare":{"size":1},"data":"NDI=","namespace":"default","ratio":1,"someName":"example","tree":{"size":1},"trees":[{"size":1}]}`; string(example) != want {
		t.Errorf("got %s, want %s", example, want)
	}
	if one.Responses.Len() != 1+len(failures) || one.Responses.Value("200").Value.Content["application/json"].Schema.Ref != "#/components/schemas/micro.odd.v1.OneResponse" {
		t.Errorf("got %v", one.Responses.Map())
	}
	for name, want := range map[string]string{"Down": "the request is one frame", "Up": "the response one.", "Both": "request and response are any number"} {
		op := doc.Paths.Value("/micro.odd.v1.Odd/" + name).Post
		if !strings.Contains(op.Description, want) || op.RequestBody.Value.Content["application/connect+json"].Schema.Value.Format != "binary" ||
			len(op.Responses.Value("200").Value.Content) != 1 || op.Responses.Value("200").Value.Content["application/connect+json"] == nil {
			t.Errorf("%s: got %+v", name, op)
		}
	}
}

func TestSchemas(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(generate(t).GetFile()[0].GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(name, value string, want bool) {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["micro.odd.v1."+name].Value.VisitJSON(v); (err == nil) != want {
			t.Errorf("%s %s: got %v, want %v", name, value, err, want)
		}
	}
	// What protojson writes.
	accepts("OneRequest", `{"waits":["1.5s","-3s"],"byName":{"a":"0.000000001s"},"wait":"10s","tree":{"trees":[{"size":1}]},"maybe":"1","left":"a","data":"AA==","ratio":0.5,"ifVersion":"18446744073709551615"}`, true)
	accepts("OneResponse", `{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"},"object":{"a":[1]},"wrapped":"5","at":"2026-01-02T15:04:05.5Z","kind":"KIND_SOME","trees":{"a":{}}}`, true)
	accepts("OneRequest", `{"waits":["PT1S"]}`, false)
	accepts("OneRequest", `{"byName":{"a":"1"}}`, false)
	accepts("OneRequest", `{"wait":1}`, false)
	accepts("OneRequest", `{"tree":{"trees":1}}`, false)
	accepts("OneResponse", `{"kind":"SOME"}`, false)
	accepts("OneResponse", `{"at":"yesterday"}`, false)

	kind := doc.Components.Schemas["micro.odd.v1.Kind"].Value
	if want := "Kind is <one> & \"only\".\n\n- KIND_UNSPECIFIED: None.\n- KIND_SOME: Some, with a some_name."; kind.Description != want {
		t.Errorf("got %q, want %q", kind.Description, want)
	}
	tree := doc.Components.Schemas["micro.odd.v1.OneRequest"].Value.Properties["tree"]
	if tree.Value.Description != "The tree." || tree.Value.AllOf[0].Ref != "#/components/schemas/micro.odd.v1.Tree" {
		t.Errorf("got %+v", tree.Value)
	}
}
