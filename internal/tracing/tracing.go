// Package tracing carries traces from calls to the calls that they make.
package tracing

import (
	"context"
	"net/http"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/metadata"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Propagator reads W3C trace context and baggage, and B3 in one or many headers.
func Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(
		b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)), propagation.TraceContext{}, propagation.Baggage{},
	)
}

// Wrap makes the calls and streams of a go-micro client continue the trace of their
// context.
func Wrap(c client.Client) client.Client { return &tracing{c, Propagator()} }

type tracing struct {
	client.Client
	propagator propagation.TextMapPropagator
}

func (t *tracing) Call(ctx context.Context, req client.Request, rsp any, opts ...client.CallOption) error {
	return t.Client.Call(inject(ctx, t.propagator), req, rsp, opts...)
}

func (t *tracing) Stream(ctx context.Context, req client.Request, opts ...client.CallOption) (client.Stream, error) {
	return t.Client.Stream(inject(ctx, t.propagator), req, opts...)
}

func inject(ctx context.Context, p propagation.TextMapPropagator) context.Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	md, _ := metadata.FromContext(ctx)
	md = metadata.Copy(md)
	p.Inject(ctx, carrier(md))
	return metadata.NewContext(ctx, md)
}

// carrier keeps go-micro's metadata in canonical case.
type carrier metadata.Metadata

func (c carrier) Get(k string) string { return c[http.CanonicalHeaderKey(k)] }
func (c carrier) Set(k, v string)     { c[http.CanonicalHeaderKey(k)] = v }
func (c carrier) Keys() []string {
	all := make([]string, 0, len(c))
	for k := range c {
		all = append(all, k)
	}
	return all
}
