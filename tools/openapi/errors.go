package main

import (
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// failures are the HTTP statuses of the Connect protocol, and when a service answers so.
// A test compares them with the table that the port goes by.
var failures = []struct { //nolint:gochecknoglobals // a constant: Go has none of this kind
	status int
	codes  []string
	when   string
}{
	{400, []string{"invalid_argument", "failed_precondition", "out_of_range"}, "The request is wrong, and the message names the field and what is allowed; or the state must change first."},
	{401, []string{"unauthenticated"}, "Who calls is not known."},
	{403, []string{"permission_denied"}, "Who calls may not."},
	{404, []string{"not_found"}, "There is no such thing."},
	{409, []string{"already_exists", "aborted"}, "There is one already; or it has changed meanwhile: read again."},
	{429, []string{"resource_exhausted"}, "A limit or a quota is reached, or a message is too large."},
	{499, []string{"canceled"}, "The caller has left."},
	{500, []string{"internal", "unknown", "data_loss"}, "A fault of the service."},
	{501, []string{"unimplemented"}, "This backend cannot. The message says which can."},
	{503, []string{"unavailable"}, "It could not be told: the backend is away, or the service is stopping. Try again."},
	{504, []string{"deadline_exceeded"}, "The deadline has passed."},
}

const (
	errorSchema  = "connect.Error"
	detailSchema = "connect.ErrorDetail"
)

func schemaRef(name string) *openapi3.SchemaRef {
	return &openapi3.SchemaRef{Ref: "#/components/schemas/" + name}
}

// addErrors adds what all methods may answer instead of their response.
func addErrors(c *openapi3.Components) {
	c.Responses = openapi3.ResponseBodies{}
	var codes []any
	for _, f := range failures {
		c.Responses[strconv.Itoa(f.status)] = &openapi3.ResponseRef{Value: openapi3.NewResponse().
			WithDescription(strings.Join(f.codes, ", ") + ": " + f.when).
			WithContent(openapi3.Content{"application/json": {Schema: schemaRef(errorSchema)}})}
		for _, code := range f.codes {
			codes = append(codes, code)
		}
	}
	text := func(s *openapi3.Schema, description string) *openapi3.SchemaRef {
		s.Description = description
		return s.NewRef()
	}
	c.Schemas[errorSchema] = text(&openapi3.Schema{
		Type: &openapi3.Types{"object"}, Required: []string{"code"},
		Properties: openapi3.Schemas{
			"code":    text(openapi3.NewStringSchema().WithEnum(codes...), "What went wrong, for programs."),
			"message": text(openapi3.NewStringSchema(), "What went wrong, for people."),
			"details": text(&openapi3.Schema{Type: &openapi3.Types{"array"}, Items: schemaRef(detailSchema)}, "More of it. A google.rpc.ErrorInfo has a stable reason."),
		},
	}, "An error, as the Connect protocol writes it.")
	c.Schemas[detailSchema] = text(&openapi3.Schema{
		Type: &openapi3.Types{"object"}, Required: []string{"type", "value"},
		Properties: openapi3.Schemas{
			"type":  text(openapi3.NewStringSchema(), "Full name of the detail's message type, such as google.rpc.ErrorInfo."),
			"value": text(openapi3.NewBytesSchema(), "The detail in Protobuf's binary form, in base64 that may lack its padding."),
			"debug": text(openapi3.NewSchema(), "The detail as JSON, for people alone."),
		},
	}, "More about an error, of any message type.")
}
