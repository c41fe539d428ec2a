package host

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	return append(registries.Settings(), []setting.Setting{
		{Name: "PLATFORM_DATA", Default: "./data", Help: "folder of the embedded engines"},
		{Name: "PLATFORM_LOG", Default: "info", Help: "debug, info, warn or error"},
		{Name: "PLATFORM_INSECURE", Default: "false", Help: "true allows to listen beyond loopback although calls are neither encrypted nor authenticated"},
		{Name: "PLATFORM_HOSTS", Help: "names, with commas between them, that callers may use for this machine besides localhost and IP addresses"},
		{Name: "PLATFORM_MAX_MESSAGE", Default: "4MiB", Help: "size of one message from a caller at most"},
		{Name: "PLATFORM_MAX_CALLS", Default: "4096", Help: "unary calls at once at most; more are refused"},
		{Name: "PLATFORM_MAX_STREAMS", Default: "10000", Help: "streams at once at most; more are refused"},
		{Name: "PLATFORM_MAX_CONNS", Default: "10000", Help: "connections at once at most; more are closed"},
		{Name: "PLATFORM_TIMEOUT", Default: "30s", Help: "deadline of a unary call whose caller names none, and the time a message has to arrive or to leave"},
		{Name: "PLATFORM_SLOW", Default: "1s", Help: "unary calls that take longer are logged"},
		{Name: "PLATFORM_DRAIN", Default: "10s", Help: "time that calls in flight have to end when the service stops"},
		{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Help: "where spans go; see OpenTelemetry for the other OTEL_ variables"},
	}...)
}

// config is what the host itself reads.
type config struct {
	address, advertise                         string
	hosts                                      []string
	level                                      slog.Level
	registry                                   registries.Config
	insecure                                   bool
	maxMessage, maxCalls, maxStreams, maxConns int
	timeout, slow, drain                       time.Duration
}

func (s Service) config(v *setting.Values) config {
	prefix := s.prefix()
	c := config{
		address:    v.Address(prefix + "_ADDRESS"),
		advertise:  v.String(prefix + "_ADVERTISE"),
		hosts:      v.List("PLATFORM_HOSTS"),
		registry:   registries.Read(v),
		maxMessage: int(v.Bytes("PLATFORM_MAX_MESSAGE", 1<<30)),
		maxCalls:   v.Int("PLATFORM_MAX_CALLS", 1<<20),
		maxStreams: v.Int("PLATFORM_MAX_STREAMS", 1<<20),
		maxConns:   v.Int("PLATFORM_MAX_CONNS", 1<<20),
		timeout:    v.Duration("PLATFORM_TIMEOUT"),
		slow:       v.Duration("PLATFORM_SLOW"),
		drain:      v.Duration("PLATFORM_DRAIN"),
	}
	if err := c.level.UnmarshalText([]byte(v.String("PLATFORM_LOG"))); err != nil {
		v.Fail("PLATFORM_LOG", "%q is none of debug, info, warn, error", v.String("PLATFORM_LOG"))
	}
	if c.advertise != "" && !reachable(c.advertise) {
		v.Fail(prefix+"_ADVERTISE", "%q is no host or host:port such as kv.example or 192.0.2.1:8106", c.advertise)
	}
	for _, name := range c.hosts {
		if !named(name) {
			v.Fail("PLATFORM_HOSTS", "%q is no name such as kv.example", name)
		}
	}
	if s := v.String("OTEL_EXPORTER_OTLP_ENDPOINT"); s != "" { // OpenTelemetry would go on without it
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			v.Fail("OTEL_EXPORTER_OTLP_ENDPOINT", "not a URL such as http://localhost:4317")
		}
	}
	c.insecure = v.Bool("PLATFORM_INSECURE")
	if err := port.Exposed(c.address); err != nil && !c.insecure {
		v.Fail(prefix+"_ADDRESS", "%w", err)
	}
	return c
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
