package dns

import (
	"github.com/miekg/dns"
)

// reply answers a message in so many bytes at most. It returns nil for one that is no query:
// two servers would else answer each other without end.
func (s *Server) reply(c Caller, query []byte, most int) []byte {
	if len(query) < minQuery || query[2]&0x80 != 0 { // QR
		return nil
	}
	var asked dns.Msg
	bad := asked.Unpack(query)
	answer := new(dns.Msg).SetRcode(&asked, dns.RcodeSuccess)
	opt := asked.IsEdns0()
	switch {
	case asked.Opcode != dns.OpcodeQuery:
		answer.Rcode, answer.Question = dns.RcodeNotImplemented, nil
	case bad != nil || len(asked.Question) != 1 || options(&asked) > 1:
		answer.Rcode, answer.Question = dns.RcodeFormatError, nil
	case opt != nil && opt.Version() != 0:
		answer.Rcode = dns.RcodeBadVers
	default:
		most = room(opt, most)
		t := talk{server: s, caller: c, asked: asked.Question[0], answer: answer, most: most / minRecord}
		t.run()
	}
	if opt != nil {
		answer.SetEdns0(maxDatagram, opt.Do())
	}
	return pack(answer, most)
}

// options counts the OPT records of a query, which may have one.
func options(m *dns.Msg) (n int) {
	for _, r := range m.Extra {
		if r.Header().Rrtype == dns.TypeOPT {
			n++
		}
	}
	return n
}

// room returns how many bytes an answer may have.
func room(opt *dns.OPT, most int) int {
	switch {
	case most > maxDatagram:
		return most
	case opt == nil:
		return dns.MinMsgSize
	default:
		return max(dns.MinMsgSize, min(int(opt.UDPSize()), most))
	}
}

// pack leaves out what has no room. Of that only answers are worth a question over TCP
// (RFC 2181, 9), and over TCP nothing is.
func pack(m *dns.Msg, most int) []byte {
	answers := len(m.Answer)
	m.Truncate(most)
	m.Truncated = len(m.Answer) < answers && most <= maxDatagram
	m.Compress = true
	b, err := m.Pack()
	if err != nil || len(b) > most {
		failed := &dns.Msg{MsgHdr: m.MsgHdr}
		failed.Rcode = dns.RcodeServerFailure
		b, _ = failed.Pack() // of a header alone
	}
	return b
}
