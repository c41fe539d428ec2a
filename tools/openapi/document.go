package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rules say how all services of the platform speak JSON.
const rules = `Each method is a POST with a JSON object, in the [Connect protocol](https://connectrpc.com/docs/protocol). ` +
	`Fields that are at their default (empty, 0, false) may be left out, and are left out of responses. ` +
	`64-bit integers are strings, bytes are base64, and fields that a service does not know are ignored. ` +
	`The same methods answer gRPC, gRPC-Web and go-micro RPC on the same port.`

// document converts what protoc-gen-openapiv2 wrote, and returns it as JSON.
func (c *contract) document(ctx context.Context, v2 *openapi2.T) ([]byte, error) {
	doc, err := openapi2conv.ToV3(v2)
	if err != nil {
		return nil, err
	}
	doc.Info = &openapi3.Info{Title: c.name, Version: c.version(), Description: strings.TrimSpace(c.comments() + "\n\n" + rules)}
	doc.Tags = nil
	for _, s := range c.services {
		doc.Tags = append(doc.Tags, &openapi3.Tag{Name: string(s.Name()), Description: comment(s)})
	}
	c.methods(func(m protoreflect.MethodDescriptor) {
		doc.Paths.Value(path(m)).Post = operation(m)
	})
	for name, schema := range doc.Components.Schemas {
		if d, err := c.known.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
			describe(schema.Value, d)
		}
	}
	delete(doc.Components.Schemas, "google.protobuf.NullValue") // comes with Struct, which is an object
	addErrors(doc.Components)
	addHeaders(doc.Components)
	return c.write(ctx, doc)
}

// path is where callers of HTTP find m.
func path(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// operation is m as the port serves it.
func operation(m protoreflect.MethodDescriptor) *openapi3.Operation {
	op := openapi3.NewOperation()
	op.Tags = []string{string(m.Parent().Name())}
	op.OperationID = string(m.Parent().Name()) + "_" + string(m.Name())
	op.Summary, op.Description = summary(comment(m))
	for _, h := range headers {
		op.Parameters = append(op.Parameters, &openapi3.ParameterRef{Ref: "#/components/parameters/" + h.name})
	}
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return stream(op, m)
	}
	body := openapi3.NewMediaType().WithSchemaRef(schemaRef(string(m.Input().FullName())))
	body.Example = example(m.Input())
	op.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithRequired(true).WithContent(openapi3.Content{"application/json": body})}
	op.Responses = openapi3.NewResponses(openapi3.WithStatus(200, answer("application/json", openapi3.NewMediaType().WithSchemaRef(schemaRef(string(m.Output().FullName()))), comment(m.Output()))))
	for _, f := range failures {
		op.Responses.Set(strconv.Itoa(f.status), failure(f.status))
	}
	return op
}

func answer(contentType string, body *openapi3.MediaType, description string) *openapi3.ResponseRef {
	return &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription(description).WithContent(openapi3.Content{contentType: body})}
}

func failure(status int) *openapi3.ResponseRef {
	return &openapi3.ResponseRef{Ref: "#/components/responses/" + strconv.Itoa(status)}
}

// headers are those of the Connect protocol that a caller may set.
var headers = []struct { //nolint:gochecknoglobals // a constant: Go has none of this kind
	name, description string
	schema            *openapi3.Schema
}{
	{"Connect-Protocol-Version", "Version of the Connect protocol: 1.", openapi3.NewStringSchema().WithEnum("1")},
	{"Connect-Timeout-Ms", "Deadline of the call, in milliseconds from now.", openapi3.NewIntegerSchema().WithMin(1).WithMax(9999999999)},
}

func addHeaders(c *openapi3.Components) {
	c.Parameters = openapi3.ParametersMap{}
	for _, h := range headers {
		c.Parameters[h.name] = &openapi3.ParameterRef{Value: openapi3.NewHeaderParameter(h.name).WithDescription(h.description).WithSchema(h.schema)}
	}
}

// write checks the document and puts it into the order of the contract.
func (c *contract) write(ctx context.Context, doc *openapi3.T) ([]byte, error) {
	data, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	text, err := ordered(data, c.order())
	if err != nil {
		return nil, err
	}
	doc, err = openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("the document is wrong: %w", err)
	}
	if err := doc.Validate(ctx); err != nil {
		return nil, fmt.Errorf("the document is wrong: %w", err)
	}
	return text, nil
}

// order tells which members come first in the objects whose order says something.
func (c *contract) order() map[string][]string {
	order := map[string][]string{
		"": {"openapi", "info", "tags", "paths", "components"}, "/info": {"title", "version"},
		"/tags": {"name"},
		"/components/schemas/" + errorSchema + "/properties":  {"code", "message", "details"},
		"/components/schemas/" + detailSchema + "/properties": {"type", "value", "debug"},
	}
	c.methods(func(m protoreflect.MethodDescriptor) { order["/paths"] = append(order["/paths"], path(m)) })
	c.known.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		eachMessage(fd.Messages(), func(m protoreflect.MessageDescriptor) {
			at := "/components/schemas/" + string(m.FullName()) + "/properties"
			for i := range m.Fields().Len() {
				order[at] = append(order[at], m.Fields().Get(i).JSONName())
			}
		})
		return true
	})
	return order
}
