package host

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/setting"
)

// settings returns all that s reads from the environment.
func (s Service) settings() []setting.Setting {
	prefix := s.prefix()
	own := []setting.Setting{
		{Name: prefix + "_ADDRESS", Default: fmt.Sprintf("127.0.0.1:%d", s.Port), Help: "host:port to listen on, for every protocol; port 0 takes a free one"},
		{Name: prefix + "_ADVERTISE", Help: "host or host:port to register, where others reach this one under another address than it listens on"},
	}
	return append(append(own, s.Settings...), common()...)
}

// common are the settings that every service has.
func common() []setting.Setting {
	return slices.Concat(registries.Settings(), certs.Settings(), []setting.Setting{
		{Name: "PLATFORM_ZONE", Help: "where this process runs, such as a data center: a word that is registered with it, for who prefers what is near"},
		{Name: "PLATFORM_DATA", Default: "./data", Help: "folder of the embedded engines"},
		{Name: "PLATFORM_LOG", Default: "info", Help: "debug, info, warn or error"},
		{Name: "PLATFORM_INSECURE", Default: "false", Help: "true allows to listen beyond loopback although calls are not both encrypted and authenticated"},
		{Name: "PLATFORM_HOSTS", Help: "names, with commas between them, that callers may use for this machine besides localhost and IP addresses; with TLS any, since the certificate tells"},
		{Name: "PLATFORM_CORS_ORIGINS", Help: "origins, such as https://app.example, with commas between them, of web pages that may call"},
		{Name: "PLATFORM_MAX_MESSAGE", Default: "4MiB", Help: "size of one message from a caller at most"},
		{Name: "PLATFORM_MAX_HEADER", Default: "64KiB", Help: "size of the header of a request at most"},
		{Name: "PLATFORM_MAX_CALLS", Default: "4096", Help: "unary calls at once at most; more are refused"},
		{Name: "PLATFORM_MAX_STREAMS", Default: "10000", Help: "streams at once at most; more are refused"},
		{Name: "PLATFORM_MAX_CONNS", Default: "10000", Help: "connections at once at most; more are closed"},
		{Name: "PLATFORM_MAX_CONN_STREAMS", Default: "1000", Help: "calls at once on one HTTP/2 connection at most; callers wait with more"},
		{Name: "PLATFORM_COMPRESS_MIN", Default: "1KiB", Help: "smallest answer that is compressed for a caller of Connect or gRPC-Web who takes gzip; over gRPC answers are compressed as requests are"},
		{Name: "PLATFORM_TIMEOUT", Default: "30s", Help: "deadline of a unary call whose caller names none, and the time a message has to arrive"},
		{Name: "PLATFORM_WRITE_TIMEOUT", Default: "30s", Help: "time a caller has to take each message that is written to it; who does not loses the stream, and its connection over HTTP/1.1"},
		{Name: "PLATFORM_KEEPALIVE", Default: "1m", Help: "silence of a connection until its caller is asked whether it is still there; without an answer it is closed 10 s later"},
		{Name: "PLATFORM_IDLE", Default: "5m", Help: "time until a connection without a call is closed"},
		{Name: "PLATFORM_SLOW", Default: "1s", Help: "unary calls that take longer are logged"},
		{Name: "PLATFORM_DRAIN", Default: "10s", Help: "time that calls in flight have to end when the service stops"},
		{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Help: "where spans go; see OpenTelemetry for the other OTEL_ variables"},
	})
}

// maxZone is what discovery takes.
const maxZone = 64

// config is what the host itself reads.
type config struct {
	address, advertise, zone string
	hosts                    []string
	level                    slog.Level
	registry                 registries.Config
	certs                    certs.Config
	insecure                 bool
	origins                  []string
	maxMessage, maxHeader    int
	maxCalls, maxStreams     int
	maxConns, maxConnStreams int
	compressMin              int
	timeout, writeTimeout    time.Duration
	keepAlive, idle          time.Duration
	slow, drain              time.Duration
}

func (s Service) config(v *setting.Values) config {
	prefix := s.prefix()
	c := config{
		address:        v.Address(prefix + "_ADDRESS"),
		advertise:      v.String(prefix + "_ADVERTISE"),
		zone:           v.String("PLATFORM_ZONE"),
		hosts:          v.List("PLATFORM_HOSTS"),
		registry:       registries.Read(v),
		certs:          certs.Read(v),
		origins:        v.List("PLATFORM_CORS_ORIGINS"),
		maxMessage:     int(v.Bytes("PLATFORM_MAX_MESSAGE", 1<<30)),
		maxHeader:      int(v.Bytes("PLATFORM_MAX_HEADER", 16<<20)),
		maxCalls:       v.Int("PLATFORM_MAX_CALLS", 1<<20),
		maxStreams:     v.Int("PLATFORM_MAX_STREAMS", 1<<20),
		maxConns:       v.Int("PLATFORM_MAX_CONNS", 1<<20),
		maxConnStreams: v.Int("PLATFORM_MAX_CONN_STREAMS", 1<<20),
		compressMin:    int(v.Bytes("PLATFORM_COMPRESS_MIN", 1<<30)),
		timeout:        v.Duration("PLATFORM_TIMEOUT"),
		writeTimeout:   v.Duration("PLATFORM_WRITE_TIMEOUT"),
		keepAlive:      v.Duration("PLATFORM_KEEPALIVE"),
		idle:           v.Duration("PLATFORM_IDLE"),
		slow:           v.Duration("PLATFORM_SLOW"),
		drain:          v.Duration("PLATFORM_DRAIN"),
	}
	if err := c.level.UnmarshalText([]byte(v.String("PLATFORM_LOG"))); err != nil {
		v.Fail("PLATFORM_LOG", "%q is none of debug, info, warn, error", v.String("PLATFORM_LOG"))
	}
	if c.advertise != "" && !reachable(c.advertise) {
		v.Fail(prefix+"_ADVERTISE", "%q is no host or host:port such as kv.example or 192.0.2.1:8106", c.advertise)
	}
	if len(c.zone) > maxZone || !utf8.ValidString(c.zone) {
		v.Fail("PLATFORM_ZONE", "%d bytes long, want at most %d of UTF-8", len(c.zone), maxZone)
	}
	for _, name := range c.hosts {
		if !named(name) {
			v.Fail("PLATFORM_HOSTS", "%q is no name such as kv.example", name)
		}
	}
	for _, o := range c.origins {
		if u, err := url.Parse(o); err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o {
			v.Fail("PLATFORM_CORS_ORIGINS", "%q is no origin such as https://app.example or http://localhost:3000", o)
		}
	}
	if s := v.String("OTEL_EXPORTER_OTLP_ENDPOINT"); s != "" { // OpenTelemetry would go on without it
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			v.Fail("OTEL_EXPORTER_OTLP_ENDPOINT", "not a URL such as http://localhost:4317")
		}
	}
	c.insecure = v.Bool("PLATFORM_INSECURE")
	if err := port.Exposed(c.address); err != nil && !c.insecure && !c.certs.Mutual() {
		v.Fail(prefix+"_ADDRESS", "%w", err)
	}
	return c
}

// port is what the port of the service has of c.
func (c config) port() port.Config {
	return port.Config{
		Address: c.address, Advertise: c.advertise, Insecure: c.insecure || c.certs.Mutual(), InsecurePlain: c.insecure,
		Hosts: c.hosts, Origins: c.origins,
		MaxMessage: c.maxMessage, MaxHeader: c.maxHeader, MaxConns: c.maxConns, MaxConnStreams: c.maxConnStreams, CompressMin: c.compressMin,
		Timeout: c.timeout, Patience: c.timeout / 3, WriteTimeout: c.writeTimeout, KeepAlive: c.keepAlive, Idle: c.idle, Drain: c.drain,
	}
}

// reachable tells whether s is a host, with or without a port, that others can dial.
func reachable(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return false
		}
		host = h
	}
	_, err := netip.ParseAddr(host)
	return err == nil || named(host)
}

// named tells whether s has the form of a host's name.
func named(s string) bool {
	return s != "" && strings.Trim(s, ".-") == s && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}
