package dns_test

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// raw sends bytes and returns what comes, nil for nothing before something else is answered.
func (n *node) raw(b []byte) []byte {
	n.t.Helper()
	c, err := net.Dial("udp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		n.t.Fatal(err)
	}
	if _, err := c.Write(b); err != nil {
		n.t.Fatal(err)
	}
	in := make([]byte, 1<<16)
	m, err := c.Read(in)
	if err != nil {
		n.t.Fatalf("%x: %v", b, err)
	}
	return in[:m]
}

// TestRefused: what is no question about services gets the code that says so.
func TestRefused(t *testing.T) {
	n := run(t)
	n.register("greeter/a@192.0.2.1:80")
	change := func(f func(*dns.Msg)) []byte {
		m := question("greeter.platform.", dns.TypeA)
		m.Id = 0x1234
		f(m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	asked := change(func(*dns.Msg) {})
	two := func(m *dns.Msg) {
		m.SetEdns0(512, false)
		m.Extra = append(m.Extra, m.Extra[0])
	}
	for what, tt := range map[string]struct {
		query []byte
		want  string
	}{
		"a question":    {asked, "NOERROR; A 192.0.2.1"},
		"bytes behind":  {append(slices.Clone(asked), 0, 1, 2), "NOERROR; A 192.0.2.1"},
		"a part":        {asked[:len(asked)-3], "FORMERR"},
		"a header":      {asked[:12], "FORMERR"},
		"no question":   {change(func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
		"two questions": {change(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		"two options":   {change(two), "FORMERR"},
		"a later version":/* BADVERS has the same number */ {change(func(m *dns.Msg) { m.SetEdns0(512, false).IsEdns0().SetVersion(1) }), "BADSIG"},
		"a notification":   {change(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), "NOTIMP"},
		"an update":        {change(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), "NOTIMP"},
		"class CHAOS":      {change(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "REFUSED"},
		"every class":      {change(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), "REFUSED"},
		"an endless name":  {append(slices.Clone(asked[:12]), 0xc0, 12, 0, 1, 0, 1), "FORMERR"},
		"a name too long":  {append(slices.Clone(asked[:12]), append([]byte(strings.Repeat("\x01a", 200)), 0, 0, 1, 0, 1)...), "FORMERR"},
		"a type of no one": {change(func(m *dns.Msg) { m.Question[0].Qtype = 65280 }), nodata},
	} {
		var r dns.Msg
		if err := r.Unpack(n.raw(tt.query)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := short(&r); got != tt.want || r.Id != 0x1234 || !r.Response {
			t.Errorf("%s: got %s, header %s, want %s", what, got, r.MsgHdr.String(), tt.want)
		}
	}
}

// TestSilence: what is no query gets no answer, and ends nothing.
func TestSilence(t *testing.T) {
	n := run(t)
	c, err := net.Dial("udp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := question("greeter.platform.", dns.TypeA)
	answer.Response = true
	reply, err := answer.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{{}, []byte("x"), reply[:11], reply, make([]byte, 5000)} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		stream, err := net.Dial("tcp", n.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Write(append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(stream); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes over TCP: got %x, %v", len(b), got, err)
		}
		stream.Close()
	}
	last := question("none.platform.", dns.TypeA)
	conn := &dns.Conn{Conn: c}
	if err := errors.Join(c.SetDeadline(time.Now().Add(patience)), conn.WriteMsg(last)); err != nil {
		t.Fatal(err)
	}
	if r, err := conn.ReadMsg(); err != nil || r.Id != last.Id {
		t.Errorf("got %v, %v, want the answer to the last alone", r, err)
	}
}

// TestConnection: the queries of a connection are answered in their order.
func TestConnection(t *testing.T) {
	n := run(t)
	n.register("greeter/a@192.0.2.1:80")
	c, err := net.Dial("tcp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	conn := &dns.Conn{Conn: c}
	const many = 100
	for i := range many {
		m := question("greeter.platform.", dns.TypeA)
		m.Id = uint16(i)
		if err := conn.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range many {
		if r, err := conn.ReadMsg(); err != nil || int(r.Id) != i || short(r) != "NOERROR; A 192.0.2.1" {
			t.Fatalf("answer %d: got %v, %v", i, r, err)
		}
	}
}
