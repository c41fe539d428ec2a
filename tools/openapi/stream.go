package main

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// frames says what the bodies of a stream are made of.
const frames = `A frame is a byte of flags (0: a message; 2: the end), the length of what follows in four bytes (big endian), and JSON. ` +
	`The last frame of the response is ` + "`{}`" + `, or has the ` + "`error`" + ` that ended the stream, whose status is 200 then, too.`

// stream makes op a stream. OpenAPI 3.0 has no word for messages of JSON in an
// envelope: who generates a client gets bytes, which is what there is, and the schema of
// a message is named by x-message.
func stream(op *openapi3.Operation, m protoreflect.MethodDescriptor) *openapi3.Operation {
	const contentType = "application/connect+json"
	how := []string{op.Description, "A stream: the request is one frame, the response any number of them.", frames}
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		how[1] = "A stream: request and response are any number of frames. Over HTTP/1.1 the response begins when the request has ended."
	case m.IsStreamingClient():
		how[1] = "A stream: the request is any number of frames, the response one."
	}
	op.Description = strings.TrimSpace(how[0] + "\n\n" + how[1] + " " + how[2])
	in := messages(m.Input())
	op.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithRequired(true).WithContent(openapi3.Content{contentType: in})}
	in.Extensions["x-message-example"] = example(m.Input())
	op.Responses = openapi3.NewResponses(
		openapi3.WithStatus(200, answer(contentType, messages(m.Output()), "Frames. "+comment(m.Output()))),
		openapi3.WithStatus(403, failure(403)),
	)
	return op
}

// messages is a body of frames, each with one of m.
func messages(m protoreflect.MessageDescriptor) *openapi3.MediaType {
	t := openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema().WithFormat("binary"))
	t.Extensions = map[string]any{"x-message": schemaRef(string(m.FullName()))}
	return t
}
