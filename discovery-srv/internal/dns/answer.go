package dns

import (
	"cmp"
	"net/netip"
	"strconv"

	"github.com/miekg/dns"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	// ttl is how many seconds an answer may be kept: whoever is gone, or drains, is asked
	// for no longer than that, and a cache asks once in it for all behind it. So long, too,
	// a service may be unknown that is there now.
	ttl = 1

	minRecord = 16 // bytes of an answer: no more records than so fit

	usualWeight = 100 // of an instance that names none
)

// talk is one question and what becomes its answer.
type talk struct {
	server *Server
	caller Caller
	asked  dns.Question
	answer *dns.Msg
	most   int // records
}

func (t *talk) run() {
	p, ours := locate(t.asked.Name)
	if !ours || t.asked.Qclass != dns.ClassINET || t.asked.Qtype == dns.TypeAXFR || t.asked.Qtype == dns.TypeIXFR {
		t.answer.Rcode = dns.RcodeRefused
		return
	}
	t.answer.Authoritative = true
	exists, err := t.look(p)
	switch code := rpcerr.Code(err); code {
	case codes.OK:
	case codes.NotFound, codes.InvalidArgument: // no service has such a name
		exists = false
	case codes.PermissionDenied, codes.Unauthenticated:
		t.fail(dns.RcodeRefused)
		return
	default:
		t.fail(dns.RcodeServerFailure)
		return
	}
	switch {
	case !exists && !p.nowhere && !t.server.conf.Knows():
		t.fail(dns.RcodeServerFailure) // its caller asks another node, or takes what it had
		return
	case !exists:
		t.answer.Rcode = dns.RcodeNameError
	case t.asked.Qtype == dns.TypeANY: // RFC 8482, 4.2
		t.answer.Answer = []dns.RR{&dns.HINFO{Hdr: header(t.asked.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	}
	if len(t.answer.Answer) == 0 {
		t.answer.Ns = []dns.RR{t.soa(apex)}
	}
}

func (t *talk) fail(rcode int) {
	t.answer.Rcode, t.answer.Authoritative = rcode, false
}

// look answers with what there is of the type, and tells whether there is the name.
func (t *talk) look(p place) (exists bool, err error) {
	switch {
	case p.nowhere:
		return false, nil
	case p.between:
		return true, nil
	case p.isApex:
		t.authority()
		return true, nil
	case p.address.IsValid():
		t.addresses([]target{{ip: p.address}})
		return true, nil
	case p.service.Service == "":
		return t.namespace(p.service.Namespace)
	}
	chosen, err := t.instances(p.service)
	if err != nil {
		if _, below := t.server.conf.Folded(p.service); below && rpcerr.Code(err) == codes.NotFound {
			return true, nil
		}
		return false, err
	}
	if t.asked.Qtype == dns.TypeSRV {
		t.services(chosen)
		return true, nil
	}
	targets := make([]target, 0, len(chosen))
	for _, i := range chosen {
		targets = append(targets, targetOf(i.GetAddress()))
	}
	t.addresses(targets)
	return true, nil
}

// addresses answers with those of the type that is asked for, each once.
func (t *talk) addresses(targets []target) {
	seen := map[netip.Addr]bool{}
	for _, to := range targets {
		r := address(t.asked.Name, to.ip)
		if r == nil || r.Header().Rrtype != t.asked.Qtype || seen[to.ip] || len(seen) == t.most {
			continue
		}
		seen[to.ip] = true
		t.answer.Answer = append(t.answer.Answer, r)
	}
}

// services answers with where instances are, and their addresses beside.
func (t *talk) services(chosen []*discoverypb.Instance) {
	type place struct{ name, port string }
	seen, beside := map[place]bool{}, map[string]bool{}
	for _, i := range chosen {
		to := targetOf(i.GetAddress())
		port, err := strconv.ParseUint(to.port, 10, 16)
		if err != nil || to.name == "" || seen[place{to.name, to.port}] || len(seen) == t.most {
			continue
		}
		seen[place{to.name, to.port}] = true
		t.answer.Answer = append(t.answer.Answer, &dns.SRV{
			Hdr: header(t.asked.Name, dns.TypeSRV), Weight: uint16(min(cmp.Or(i.GetWeight(), usualWeight), 1<<16-1)), Port: uint16(port), Target: to.name,
		})
		if r := address(to.name, to.ip); r != nil && !beside[to.name] {
			beside[to.name] = true
			t.answer.Extra = append(t.answer.Extra, r)
		}
	}
}

// authority answers what is asked about the zone itself.
func (t *talk) authority() {
	switch t.asked.Qtype {
	case dns.TypeSOA:
		t.answer.Answer = []dns.RR{t.soa(t.asked.Name)}
	case dns.TypeNS:
		t.answer.Answer = []dns.RR{&dns.NS{Hdr: header(t.asked.Name, dns.TypeNS), Ns: nameOf(t.local())}}
		t.answer.Extra = []dns.RR{address(nameOf(t.local()), t.local())}
	}
}

// local is where this server is, as far as the caller is concerned.
func (t *talk) local() netip.Addr {
	if a := t.caller.Local(); a.IsValid() {
		return a
	}
	return netip.IPv4Unspecified()
}

// soa says how long what is not there may be taken for that. Nobody transfers the zone, so
// it is always the same.
func (t *talk) soa(name string) dns.RR {
	return &dns.SOA{
		Hdr: header(name, dns.TypeSOA), Ns: nameOf(t.local()), Mbox: "hostmaster." + apex,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl,
	}
}

// address returns nil for what is no IP address.
func address(name string, ip netip.Addr) dns.RR {
	switch {
	case ip.Is4():
		return &dns.A{Hdr: header(name, dns.TypeA), A: ip.AsSlice()}
	case ip.Is6():
		return &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: ip.AsSlice()}
	}
	return nil
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}
