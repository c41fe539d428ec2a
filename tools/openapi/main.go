// Command openapi is a plugin of buf that writes an OpenAPI 3 document of the HTTP/JSON
// endpoints of each proto package that has services: micro/kv/v1/openapi.json.
//
// protoc-gen-openapiv2 knows how messages look in JSON, and makes a document of version
// 2 that takes the port for grpc-gateway's. This one converts it and makes it true of
// the Connect protocol.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/getkin/kin-openapi/openapi2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

// run answers a request of buf.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var req pluginpb.CodeGeneratorRequest
	if err := proto.Unmarshal(data, &req); err != nil {
		return err
	}
	packages, err := contracts(&req)
	if err != nil {
		return err
	}
	rsp := &pluginpb.CodeGeneratorResponse{
		SupportedFeatures: proto.Uint64(uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)),
	}
	for _, c := range packages {
		v2, err := version2(ctx, &req, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		text, err := c.document(ctx, v2)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		rsp.File = append(rsp.File, &pluginpb.CodeGeneratorResponse_File{Name: new(c.path()), Content: new(string(text))})
	}
	if data, err = proto.Marshal(rsp); err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

// version2 has protoc-gen-openapiv2 write one document of a package.
func version2(ctx context.Context, req *pluginpb.CodeGeneratorRequest, c *contract) (*openapi2.T, error) {
	asked := proto.CloneOf(req)
	asked.FileToGenerate = c.files()
	asked.Parameter = new("generate_unbound_methods=true,allow_merge=true,openapi_naming_strategy=fqn,disable_default_errors=true," +
		"use_allof_for_refs=true,omit_array_item_type_when_ref_sibling=true")
	in, err := proto.Marshal(asked)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	plugin := exec.CommandContext(ctx, "go", "tool", "protoc-gen-openapiv2")
	plugin.Stdin, plugin.Stdout, plugin.Stderr = bytes.NewReader(in), &out, os.Stderr
	if err := plugin.Run(); err != nil {
		return nil, fmt.Errorf("protoc-gen-openapiv2: %w", err)
	}
	var rsp pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out.Bytes(), &rsp); err != nil {
		return nil, fmt.Errorf("protoc-gen-openapiv2: %w", err)
	}
	if rsp.GetError() != "" || len(rsp.GetFile()) != 1 {
		return nil, fmt.Errorf("protoc-gen-openapiv2: %d documents, want 1: %s", len(rsp.GetFile()), rsp.GetError())
	}
	doc := new(openapi2.T)
	return doc, json.Unmarshal([]byte(rsp.GetFile()[0].GetContent()), doc)
}
