package port

import (
	"errors"

	"go-micro.dev/v5/codec"
	"go-micro.dev/v5/server"
)

// request is go-micro's server.Request.
type request struct {
	service, endpoint, contentType string
	header                         map[string]string
	body                           any
	stream                         bool
	bad                            error // why the body could not be read
}

var _ server.Request = (*request)(nil)

func (r *request) Service() string           { return r.service }
func (r *request) Method() string            { return r.endpoint }
func (r *request) Endpoint() string          { return r.endpoint }
func (r *request) ContentType() string       { return r.contentType }
func (r *request) Header() map[string]string { return r.header }
func (r *request) Body() any                 { return r.body }
func (r *request) Read() ([]byte, error)     { return nil, errors.New("the body is decoded already") }
func (r *request) Codec() codec.Reader       { return nil }
func (r *request) Stream() bool              { return r.stream }
