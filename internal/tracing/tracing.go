// Package tracing sends spans to where OpenTelemetry's environment variables say.
package tracing

import (
	"context"
	"fmt"
	"net/http"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/metadata"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Propagator reads W3C trace context and baggage, and B3 in one or many headers.
func Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(
		b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)), propagation.TraceContext{}, propagation.Baggage{},
	)
}

// Open returns what makes the spans of a service and what ends it, or nil and a
// no-op where the environment names no endpoint
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). What an endpoint
// that is away does not take is dropped.
func Open(ctx context.Context, getenv func(string) string, service, version string) (trace.Tracer, func(context.Context) error, error) {
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" || getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, func(context.Context) error { return nil }, nil
	}
	exporter, err := exporter(ctx, getenv)
	if err != nil {
		return nil, nil, fmt.Errorf("open the span exporter: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.version", version))),
	)
	return provider.Tracer("github.com/micro/platform"), provider.Shutdown, nil
}

func exporter(ctx context.Context, getenv func(string) string) (sdktrace.SpanExporter, error) {
	protocol := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not known (have http/protobuf, grpc)", protocol)
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
