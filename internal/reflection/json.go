package reflection

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Request reads a message to a method from JSON. Its error is for people.
func (c *Contract) Request(m protoreflect.MethodDescriptor, json []byte) (proto.Message, error) {
	msg := dynamicpb.NewMessage(m.Input())
	if err := (protojson.UnmarshalOptions{Resolver: c.Types}).Unmarshal(json, msg); err != nil {
		// protobuf puts a space there that nobody can break, so that nobody relies on the text.
		return nil, errors.New(strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0"))
	}
	return msg, nil
}

// JSON is a message that a server has sent, in JSON.
func (c *Contract) JSON(m proto.Message) ([]byte, error) {
	return protojson.MarshalOptions{Resolver: c.Types}.Marshal(m)
}
