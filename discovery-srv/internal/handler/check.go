package handler

import (
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/check"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// The limits of discovery.proto.
const (
	maxName    = 200
	maxWord    = 64        // of a version and of a zone
	maxAddress = 260       // a host name has 253 bytes at most
	maxSaid    = 256 << 10 // of metadata and endpoints together, in protobuf
	maxDepth   = 8         // of the values of an endpoint
	maxWeight  = 10_000
	maxReason  = 256
	maxRenew   = 1000
	maxWatched = 1000
	maxPage    = 1000
	maxFilter  = 16

	usualWeight = 100
	usualPage   = 100

	minTTL   = time.Second
	maxTTL   = time.Hour
	usualTTL = 30 * time.Second
)

// checks reads the fields of one request, which are checked alike in all RPCs.
type checks struct{ check.Checks }

// name complains about what cannot be part of a path in each of the registries below.
func (c *checks) name(field, s string) string {
	c.Text(field, s)
	if len(s) < 1 || len(s) > maxName {
		c.Fail(field, "%d bytes long, want 1 to %d", len(s), maxName)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		c.Fail(field, "has a control character")
	}
	for word := range strings.SplitSeq(s, "/") {
		if word == "" || word == "." || word == ".." {
			c.Fail(field, "%q has a part %q between slashes, want none that is empty, . or ..", s, word)
		}
	}
	return s
}

type named interface {
	GetNamespace() string
	GetService() string
}

func (c *checks) service(r named) catalog.Name {
	return catalog.Name{Namespace: c.Namespace(r.GetNamespace()), Service: c.name("service", r.GetService())}
}

type identified interface {
	named
	GetInstanceId() string
}

func (c *checks) id(r identified) catalog.ID {
	return catalog.ID{Name: c.service(r), Instance: c.name("instance_id", r.GetInstanceId())}
}

func (c *checks) ttl(d *durationpb.Duration) time.Duration {
	if d == nil {
		return usualTTL
	}
	ttl := d.AsDuration() // the nearest there is
	if err := d.CheckValid(); err != nil || ttl < minTTL || ttl > maxTTL {
		c.Fail("ttl", "%v, want 1s to 1h, or none for %v", ttl, usualTTL)
	}
	return ttl
}

func (c *checks) status(field string, s discoverypb.Status) discoverypb.Status {
	if _, known := discoverypb.Status_name[int32(s)]; !known {
		c.Fail(field, "%d, want UP, DRAINING or OUT_OF_SERVICE", s)
	}
	return s
}

// instance returns what its holder may say, with what it leaves out.
func (c *checks) instance(i *discoverypb.Instance) *discoverypb.Instance {
	const at = "instance."
	if i == nil {
		c.Fail("instance", "missing")
		return nil
	}
	own := &discoverypb.Instance{
		Id:             c.name(at+"id", i.GetId()),
		Address:        c.address(at+"address", i.GetAddress()),
		Version:        c.Length(at+"version", i.GetVersion(), maxWord),
		Zone:           c.Length(at+"zone", i.GetZone(), maxWord),
		Weight:         i.GetWeight(),
		InstanceStatus: c.status(at+"instance_status", i.GetInstanceStatus()),
		StatusReason:   c.Length(at+"status_reason", i.GetStatusReason(), maxReason),
	}
	if own.GetWeight() > maxWeight {
		c.Fail(at+"weight", "%d, want 1 to %d, or 0 for %d", own.GetWeight(), maxWeight, usualWeight)
	}
	if own.GetWeight() == 0 {
		own.Weight = usualWeight
	}
	c.texts(at+"metadata", i.GetMetadata())
	c.texts(at+"service_metadata", i.GetServiceMetadata())
	for _, e := range i.GetEndpoints() {
		c.Text(at+"endpoints", e.GetName())
		c.texts(at+"endpoints", e.GetMetadata())
		c.value(e.GetRequest(), 1)
		c.value(e.GetResponse(), 1)
	}
	said := &discoverypb.Instance{Metadata: i.GetMetadata(), ServiceMetadata: i.GetServiceMetadata(), Endpoints: i.GetEndpoints()}
	if n := proto.Size(said); n > maxSaid {
		c.Fail("instance", "%d bytes of metadata, service_metadata and endpoints, want at most %d", n, maxSaid)
	}
	own.Metadata, own.ServiceMetadata, own.Endpoints = said.GetMetadata(), said.GetServiceMetadata(), said.GetEndpoints()
	return own
}

func (c *checks) texts(field string, m map[string]string) {
	for k, v := range m {
		c.Text(field, k)
		c.Text(field, v)
	}
}

func (c *checks) value(v *discoverypb.Value, depth int) {
	if v == nil {
		return
	}
	if depth > maxDepth {
		c.Fail("instance.endpoints", "values more than %d deep", maxDepth)
		return
	}
	c.Text("instance.endpoints", v.GetName())
	c.Text("instance.endpoints", v.GetType())
	for _, in := range v.GetValues() {
		c.value(in, depth+1)
	}
}

// address is host:port.
func (c *checks) address(field, s string) string {
	c.Length(field, s, maxAddress)
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || bad != nil || n == 0 {
		c.Fail(field, "%q, want host:port", s)
	}
	return s
}
