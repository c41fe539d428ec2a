package dns_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// patience is for what should take no time at all.
const patience = 20 * time.Second

// node is a service that runs.
type node struct {
	*hosttest.Platform

	t        testing.TB
	registry discoverypb.RegistryService
	address  string // of DNS
}

func run(t testing.TB, env ...string) *node {
	t.Helper()
	all := map[string]string{"DISCOVERY_REGISTRY": "memory:"}
	for pair := range slices.Chunk(env, 2) {
		all[pair[0]] = pair[1]
	}
	p := hosttest.Run(t, all, discoveryserver.Service())
	return &node{p, t, discoverypb.NewRegistryService("discovery-srv", p.Client), p.Door("discovery-srv", call.DNS)}
}

// register registers service/id@address, where ␣ is a space; words behind may be namespace=x,
// draining, out, and weight=7.
func (n *node) register(instances ...string) {
	n.t.Helper()
	for _, s := range instances {
		words := strings.Fields(s)
		name, address, _ := strings.Cut(words[0], "@")
		name = strings.ReplaceAll(name, "␣", " ")
		at := strings.LastIndexByte(name, '/')
		req := &discoverypb.RegisterRequest{Service: name[:at], Instance: &discoverypb.Instance{Id: name[at+1:], Address: address}}
		for _, w := range words[1:] {
			switch key, value, _ := strings.Cut(w, "="); key {
			case "namespace":
				req.Namespace = value
			case "draining":
				req.Instance.InstanceStatus = discoverypb.Status_STATUS_DRAINING
			case "out":
				req.Instance.InstanceStatus = discoverypb.Status_STATUS_OUT_OF_SERVICE
			case "weight":
				if _, err := fmt.Sscan(value, &req.Instance.Weight); err != nil {
					n.t.Fatal(err)
				}
			}
		}
		if _, err := n.registry.Register(n.t.Context(), req); err != nil {
			n.t.Fatalf("register %s: %v", s, err)
		}
	}
}

// exchange asks over udp or tcp.
func (n *node) exchange(network string, m *dns.Msg) *dns.Msg {
	n.t.Helper()
	c := &dns.Client{Net: network, Timeout: patience, UDPSize: 4096}
	r, _, err := c.ExchangeContext(n.t.Context(), m, n.address)
	if err != nil {
		n.t.Fatalf("ask over %s: %v", network, err)
	}
	return r
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// short is an answer in a few words: the code, then the sections with the names of their
// types, each in order.
func short(m *dns.Msg) string {
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var all []string
		for _, r := range section {
			if r.Header().Rrtype == dns.TypeOPT {
				continue
			}
			all = append(all, dns.TypeToString[r.Header().Rrtype]+" "+strings.TrimPrefix(r.String(), r.Header().String()))
			if r.Header().Ttl > 5 {
				all = append(all, "is kept too long")
			}
		}
		slices.Sort(all)
		words = append(words, all...)
	}
	return strings.Join(words, "; ")
}

const (
	soa    = "SOA 7f000001.addr.platform. hostmaster.platform. 1 3600 600 86400 1"
	nodata = "NOERROR; " + soa
	none   = "NXDOMAIN; " + soa
)

// TestAnswers asks what there is to ask, over UDP and over TCP.
func TestAnswers(t *testing.T) {
	n := run(t)
	n.register(
		"greeter/a@192.0.2.1:9001", "greeter/b@192.0.2.1:9002 weight=7", "greeter/c@[2001:db8::1]:9003", "greeter/d@greeter.example:9004",
		"greeter/e@192.0.2.5:9005 draining", "greeter/f@192.0.2.6:9006 out",
		"leaving/a@192.0.2.7:80 draining", "leaving/b@192.0.2.8:80 out", "gone/a@192.0.2.9:80 out",
		"go.micro.srv.Greeter/a@192.0.2.10:80", "a/b␣c\\é/x@192.0.2.11:80", "..odd/a@192.0.2.12:80",
		"Case/a@192.0.2.13:80", "case/a@192.0.2.14:80", "names/a@under_score.example.:80", "names/b@[fe80::1%eth0]:80", "names/c@wörld:80",
		"greeter/a@198.51.100.1:80 namespace=team-a", "x.addr/a@192.0.2.15:80", "x.y.ns/a@192.0.2.16:80",
	)
	srv := []string{"NOERROR", "SRV 0 100 9001 c0000201.addr.platform.", "SRV 0 100 9003 20010db8000000000000000000000001.addr.platform.",
		"SRV 0 100 9004 greeter.example.", "SRV 0 7 9002 c0000201.addr.platform.", "A 192.0.2.1", "AAAA 2001:db8::1"}
	for _, tt := range []struct {
		name, kind, want string
	}{
		{"greeter.platform.", "A", "NOERROR; A 192.0.2.1"},
		{"greeter.platform.", "AAAA", "NOERROR; AAAA 2001:db8::1"},
		{"greeter.platform.", "SRV", strings.Join(srv, "; ")},
		{"gReEtEr.PLATFORM.", "A", "NOERROR; A 192.0.2.1"},
		{"greeter.default.ns.platform.", "A", "NOERROR; A 192.0.2.1"},
		{"Greeter.Team-A.NS.platform.", "A", "NOERROR; A 198.51.100.1"},
		{"greeter.platform.", "TXT", nodata},
		{"greeter.platform.", "ANY", `NOERROR; HINFO "RFC8482" ""`},
		{"none.platform.", "ANY", none},
		{"none.platform.", "A", none},
		{"none.greeter.platform.", "A", none},
		{"greeter.none.ns.platform.", "A", none},
		{"greeter.not_one.ns.platform.", "A", none},

		{"leaving.platform.", "A", "NOERROR; A 192.0.2.7"},
		{"gone.platform.", "A", nodata},
		{"gone.platform.", "SRV", nodata},

		{"go.micro.srv.greeter.platform.", "A", "NOERROR; A 192.0.2.10"},
		{"srv.greeter.platform.", "A", nodata}, // something is below
		{"rv.greeter.platform.", "A", none},
		{`a/b\ c\\\195\169.platform.`, "A", "NOERROR; A 192.0.2.11"},
		{`\.\.odd.platform.`, "A", "NOERROR; A 192.0.2.12"},
		{`\000.platform.`, "A", none},
		{`\255.platform.`, "A", none},
		{"case.platform.", "A", "NOERROR; A 192.0.2.13; A 192.0.2.14"},
		{"names.platform.", "A", nodata},
		{"names.platform.", "SRV", "NOERROR; SRV 0 100 80 under_score.example."},

		{"c0000201.addr.platform.", "A", "NOERROR; A 192.0.2.1"},
		{"C0000201.Addr.platform.", "A", "NOERROR; A 192.0.2.1"},
		{"c0000201.addr.platform.", "AAAA", nodata},
		{"20010db8000000000000000000000001.addr.platform.", "AAAA", "NOERROR; AAAA 2001:db8::1"},
		{"c00002.addr.platform.", "A", none},
		{"x.addr.platform.", "A", none},
		{"x.c0000201.addr.platform.", "A", none},
		{"addr.platform.", "A", nodata},
		{"x.addr.default.ns.platform.", "A", "NOERROR; A 192.0.2.15"},
		{"x.y.ns.platform.", "A", none}, // of namespace y
		{"x.y.ns.default.ns.platform.", "A", "NOERROR; A 192.0.2.16"},
		{"ns.platform.", "A", nodata},
		{"team-a.ns.platform.", "A", nodata},
		{"none.ns.platform.", "A", none},

		{"platform.", "SOA", "NOERROR; " + soa},
		{"platform.", "NS", "NOERROR; NS 7f000001.addr.platform.; A 127.0.0.1"},
		{"platform.", "A", nodata},
		{"platform.", "AXFR", "REFUSED"},
		{"greeter.platform.", "IXFR", "REFUSED"},
		{"greeter.platform.example.", "A", "REFUSED"},
		{"greeterplatform.", "A", "REFUSED"},
		{".", "NS", "REFUSED"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			r := n.exchange(network, question(tt.name, dns.StringToType[tt.kind]))
			if got := short(r); got != tt.want {
				t.Errorf("%s %s over %s: got %s\nwant %s", tt.name, tt.kind, network, got, tt.want)
			}
			if r.Authoritative != (r.Rcode != dns.RcodeRefused) || r.RecursionAvailable || r.Question[0].Name != tt.name {
				t.Errorf("%s %s over %s: got header %v, question %v", tt.name, tt.kind, network, r.MsgHdr.String(), r.Question)
			}
		}
	}
}

// TestChanges: what is answered is what holds now.
func TestChanges(t *testing.T) {
	n := run(t)
	ask := func() string { return short(n.exchange("udp", question("greeter.platform.", dns.TypeA))) }
	status := func(s discoverypb.Status) {
		req := &discoverypb.SetStatusRequest{Service: "greeter", InstanceId: "a", Status: s}
		if _, err := n.registry.SetStatus(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(id string) {
		if _, err := n.registry.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: "greeter", InstanceId: id}); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{ask()}
	for _, change := range []func(){
		func() { n.register("greeter/a@192.0.2.1:80") },
		func() { n.register("greeter/b@192.0.2.2:80") },
		func() { status(discoverypb.Status_STATUS_DRAINING) },
		func() { remove("b") },
		func() { status(discoverypb.Status_STATUS_OUT_OF_SERVICE) },
		func() { status(discoverypb.Status_STATUS_UNSPECIFIED) },
		func() { remove("a") },
		func() { n.register("Greeter/a@192.0.2.3:80") },
	} {
		change()
		got = append(got, ask())
	}
	want := []string{
		none, "NOERROR; A 192.0.2.1", "NOERROR; A 192.0.2.1; A 192.0.2.2", "NOERROR; A 192.0.2.2", "NOERROR; A 192.0.2.1",
		nodata, "NOERROR; A 192.0.2.1", none, "NOERROR; A 192.0.2.3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOrder: each instance is the first one some time.
func TestOrder(t *testing.T) {
	n := run(t)
	n.register("greeter/a@192.0.2.1:80", "greeter/b@192.0.2.2:80", "greeter/c@192.0.2.3:80")
	for _, kind := range []uint16{dns.TypeA, dns.TypeSRV} {
		first := map[string]bool{}
		for end := time.Now().Add(patience); len(first) < 3 && time.Now().Before(end); {
			r := n.exchange("udp", question("greeter.platform.", kind))
			if len(r.Answer) != 3 {
				t.Fatalf("got %v", r.Answer)
			}
			first[r.Answer[0].String()] = true
		}
		if len(first) < 3 {
			t.Errorf("%s: only %v come first", dns.TypeToString[kind], first)
		}
	}
}

// TestMany: what does not fit into a datagram says so, and TCP has it; no answer is larger
// than its asker takes, or 1232 bytes.
func TestMany(t *testing.T) {
	n := run(t)
	const many = 1500 // on two pages
	for i := range many {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		n.register(fmt.Sprintf("many/i%d@%s:80", i, a))
	}
	seen := map[string]bool{}
	for _, kind := range []uint16{dns.TypeA, dns.TypeSRV} {
		all := n.exchange("tcp", question("many.platform.", kind))
		if len(all.Answer) != many || all.Truncated {
			t.Errorf("over TCP: got %d answers, truncated %v", len(all.Answer), all.Truncated)
		}
		for size, most := range map[uint16]int{0: 512, 100: 512, 800: 800, 1232: 1232, 4096: 1232, 65535: 1232} {
			m := question("many.platform.", kind)
			if size > 0 {
				m.SetEdns0(size, false)
			}
			r := n.exchange("udp", m)
			r.Compress = true
			if r.Len() > most || r.Len() < most/2 || !r.Truncated || len(r.Answer) == 0 || (r.IsEdns0() == nil) != (size == 0) {
				t.Errorf("asker takes %d: got %d bytes, %d answers, truncated %v, options %v", size, r.Len(), len(r.Answer), r.Truncated, r.IsEdns0())
			}
			for _, a := range r.Answer {
				seen[a.String()] = true
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("all datagrams together have %d answers: which fit is not by chance", len(seen))
	}
}

// TestBeside: addresses beside the answer are left out without a word.
func TestBeside(t *testing.T) {
	n := run(t)
	const some = 10 // SRV fit into 512 bytes, their addresses do not
	for i := range some {
		n.register(fmt.Sprintf("some/i%d@192.0.2.%d:80", i, i))
	}
	r := n.exchange("udp", question("some.platform.", dns.TypeSRV))
	if len(r.Answer) != some || len(r.Extra) == 0 || len(r.Extra) == some || r.Truncated {
		t.Errorf("got %d answers, %d beside, truncated %v", len(r.Answer), len(r.Extra), r.Truncated)
	}
}
