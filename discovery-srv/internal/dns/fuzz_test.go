package dns_test

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	owndns "github.com/micro/platform/discovery-srv/internal/dns"
	"github.com/micro/platform/discovery-srv/internal/handler"
	"github.com/micro/platform/discovery-srv/internal/lease"
	"github.com/micro/platform/discovery-srv/internal/registrar"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// caller calls a handler without a port between.
type caller struct {
	ctx context.Context
	h   *handler.Handler
}

func (caller) Local() netip.Addr { return netip.MustParseAddr("127.0.0.1") }

func (c caller) Call(endpoint string, req, rsp proto.Message) error {
	if endpoint == "Registry.ListServices" {
		return c.h.ListServices(c.ctx, req.(*discoverypb.ListServicesRequest), rsp.(*discoverypb.ListServicesResponse))
	}
	return c.h.GetService(c.ctx, req.(*discoverypb.GetServiceRequest), rsp.(*discoverypb.GetServiceResponse))
}

// FuzzDNS: whatever comes in a datagram, an answer is one to it, can be read, and has the
// size that its asker takes.
func FuzzDNS(f *testing.F) {
	known := catalog.New(catalog.Options{})
	leases := lease.New(lease.Options{Ended: func(context.Context, []catalog.ID) {}, Changed: func(lease.State) {}})
	write := registrar.New(known, leases, nil, time.Now)
	for i := range 100 {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)
		n := catalog.Name{Namespace: "default", Service: []string{"greeter", "go.micro.Greeter", "a/b", "é"}[i%4]}
		instance := &discoverypb.Instance{Id: address.String(), Address: address.String()}
		if _, _, err := write.Register(f.Context(), n, instance, time.Hour); err != nil {
			f.Fatal(err)
		}
	}
	s := owndns.New(owndns.Config{Folded: known.Folded, Shuffle: rand.Shuffle})
	h := handler.New(handler.Config{Catalog: known, Registrar: write, Leases: leases})
	for _, name := range []string{
		"greeter.platform.", "gO.micro.greeter.default.ns.platform.", `a/b.platform.`, `\195\169.platform.`, "c0000201.addr.platform.", "platform.", ".", `\.\000.platform.`,
	} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeANY, dns.TypeSOA, dns.TypeNS, dns.TypeAXFR} {
			m := question(name, kind)
			if kind%2 == 0 {
				m.SetEdns0(kind*100, true)
			}
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		before := slices.Clone(query)
		b := s.Packet(caller{t.Context(), h}, query)
		if !slices.Equal(before, query) {
			t.Error("the query was changed")
		}
		if b == nil {
			return
		}
		var asked, answer dns.Msg
		bad := asked.Unpack(query)
		if err := answer.Unpack(b); err != nil {
			t.Fatalf("answer %s: %v", hex.EncodeToString(b), err)
		}
		if answer.Id != asked.Id || !answer.Response || asked.Response {
			t.Errorf("got header %s to %s", answer.MsgHdr.String(), asked.MsgHdr.String())
		}
		most := dns.MinMsgSize
		if opt := asked.IsEdns0(); opt != nil && bad == nil {
			most = min(max(most, int(opt.UDPSize())), 1232)
		}
		if len(b) > most {
			t.Errorf("got %d bytes, want at most %d", len(b), most)
		}
		if answer.Rcode == dns.RcodeServerFailure {
			t.Errorf("no answer to %v", asked.Question)
		}
		if len(answer.Question) > 0 && answer.Question[0] != asked.Question[0] {
			t.Errorf("answered %v, asked %v", answer.Question, asked.Question)
		}
	})
}
