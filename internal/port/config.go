package port

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
)

// Config is fixed when a Server is made.
type Config struct {
	Name      string // that callers look up: "kv-srv"
	Version   string
	Address   string // to listen on, host:port; port 0 takes a free one
	Advertise string // to register instead of Address; may lack the port

	Registry registry.Registry
	Broker   broker.Broker // for subscriptions; nil: one in memory

	// Wrappers go around every call at every door, the first outermost.
	Wrappers []server.HandlerWrapper

	// Ready says why the service cannot serve now.
	Ready func(context.Context) error

	// Listening is called once the server answers, before it is registered, with the
	// host:port that it is registered under; nil: nobody is told. Its error ends the start.
	Listening func(advertised string) error

	// TLS returns the configuration of the next connection, which Prepare has seen. Nil
	// serves without TLS.
	TLS      func() *tls.Config
	Insecure bool // may listen beyond loopback

	InsecurePlain bool // likewise at doors without TLS

	Hosts   []string // names besides localhost and IP addresses that callers may use
	Origins []string // of web pages that may call, besides those of the port itself

	MaxMessage     int // bytes of one message from a caller
	MaxHeader      int // bytes of a request's header; 0: 64 KiB
	MaxConns       int // connections at once; more are closed
	MaxConnStreams int // calls at once on one HTTP/2 connection; 0: 1000
	CompressMin    int // bytes of an answer that is worth compressing; 0: all are

	Timeout      time.Duration // for a request to arrive, where its caller names no deadline
	Patience     time.Duration // for a connection to say its first word
	WriteTimeout time.Duration // for a caller to take each message; 0: Timeout
	KeepAlive    time.Duration // of silence until a caller is asked whether it is there; 0: a minute
	Idle         time.Duration // until a connection without calls is closed; 0: five minutes
	Drain        time.Duration // for calls in flight to end when the server stops

	Refused func() // counts a connection over MaxConns; may be nil
	Failed  func() // counts a TLS handshake that has failed; may be nil
	Log     *slog.Logger
}

// defaults fills in what may be left out.
func (c *Config) defaults() {
	if c.Broker == nil {
		c.Broker = broker.NewMemoryBroker()
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Listening == nil {
		c.Listening = func(string) error { return nil }
	}
	for _, count := range []*func(){&c.Refused, &c.Failed} {
		if *count == nil {
			*count = func() {}
		}
	}
	c.MaxHeader = cmp.Or(c.MaxHeader, 64<<10)
	c.MaxConnStreams = cmp.Or(c.MaxConnStreams, 1000)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, c.Timeout)
	c.KeepAlive = cmp.Or(c.KeepAlive, time.Minute)
	c.Idle = cmp.Or(c.Idle, 5*time.Minute)
}
