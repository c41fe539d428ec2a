package dns

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/resource"
)

// What stands in the zone beside services of the default namespace.
const (
	zone = "platform"

	namespaces = "ns"   // <service>.<namespace>.ns.platform.
	addresses  = "addr" // <hex of an IP address>.addr.platform.

	apex = zone + "."
)

// place is what a name of the zone stands for.
type place struct {
	service catalog.Name // of a namespace alone, without the service
	address netip.Addr   // valid: the name of an address

	isApex, between, nowhere bool // between: only other names end in it
}

// locate returns false for a name of another zone.
func locate(name string) (p place, ours bool) {
	labels := dns.SplitDomainName(name)
	for i, l := range labels {
		labels[i] = catalog.Fold(unescape(l))
	}
	last := len(labels) - 1
	if last < 0 || labels[last] != zone {
		return p, false
	}
	labels = labels[:last]
	last--
	switch {
	case last < 0:
		p.isApex = true
	case labels[last] == addresses:
		return addressOf(labels[:last]), true
	case labels[last] != namespaces:
		p.service = catalog.Name{Namespace: resource.DefaultNamespace, Service: strings.Join(labels, ".")}
	case last == 0:
		p.between = true
	default:
		p.service = catalog.Name{Namespace: labels[last-1], Service: strings.Join(labels[:last-1], ".")}
	}
	return p, true
}

// addressOf reads what stands before addr.platform.
func addressOf(labels []string) (p place) {
	if len(labels) == 0 {
		p.between = true
		return p
	}
	b, err := hex.DecodeString(labels[0])
	address, ok := netip.AddrFromSlice(b)
	p.address, p.nowhere = address, err != nil || !ok || len(labels) > 1
	return p
}

// nameOf is the name of an address.
func nameOf(a netip.Addr) string {
	return hex.EncodeToString(a.AsSlice()) + "." + addresses + "." + apex
}

// unescape returns the bytes of a label (RFC 1035, 5.1).
func unescape(label string) string {
	if !strings.Contains(label, `\`) {
		return label
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		switch {
		case label[i] != '\\':
			b.WriteByte(label[i])
		case i+3 < len(label) && digits(label[i+1:i+4]):
			b.WriteByte((label[i+1]-'0')*100 + (label[i+2]-'0')*10 + label[i+3] - '0')
			i += 3
		case i+1 < len(label):
			i++
			b.WriteByte(label[i])
		}
	}
	return b.String()
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// target is what the address of an instance is to DNS.
type target struct {
	name string     // "": it can have none
	ip   netip.Addr // invalid for the name of a host, which somebody else knows
	port string
}

func targetOf(address string) (t target) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return t
	}
	t.port = port
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Zone() != "": // it says nothing on another machine
	case err == nil:
		t.ip = ip.Unmap()
		t.name = nameOf(t.ip)
	case isHost(host):
		t.name = dns.Fqdn(host)
	}
	return t
}

// isHost tells whether DNS may have the name of a host.
func isHost(s string) bool {
	_, ok := dns.IsDomainName(s)
	return ok && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}
