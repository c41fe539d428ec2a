// Package dns answers questions of DNS about services by calls of Registry.
package dns

import (
	"encoding/binary"
	"io"
	"net/netip"

	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/catalog"
)

// Config is fixed when a Server is made. Its functions are called at once.
type Config struct {
	// Folded returns the services whose names fold to that of n (catalog.Fold), and
	// whether there are others whose names end in a dot and it.
	Folded func(n catalog.Name) (services []string, below bool)

	// Knows tells whether the node has heard what there is: until then what it does not
	// find may be there. Nil: it has.
	Knows func() bool

	// Shuffle puts n elements into any order, each equally often.
	Shuffle func(n int, swap func(i, j int))
}

// Server answers for the zone platform. Its methods may be called at once.
type Server struct{ conf Config }

// New returns a server.
func New(c Config) *Server {
	if c.Knows == nil {
		c.Knows = func() bool { return true }
	}
	return &Server{c}
}

// Caller is who asks, and the calls that are made for it.
type Caller interface {
	// Local is the address of this machine that the caller has asked at.
	Local() netip.Addr
	// Call makes a unary call and fills rsp.
	Call(endpoint string, req, rsp proto.Message) error
}

// Connection is a Caller over TCP.
type Connection interface {
	Caller
	io.ReadWriter

	// Await says that the next read is for a new message.
	Await()
}

const (
	minQuery = 12 // bytes: a header
	maxQuery = 4 << 10

	// maxDatagram is what passes nearly every network in one piece (DNS flag day 2020).
	maxDatagram = 1232
	maxMessage  = 1<<16 - 1
)

// Packet answers what came in a datagram, or returns nil for what gets no answer. An
// answer has at most the size that the query offers to take, and at most 1232 bytes: what
// does not fit is asked for over TCP.
func (s *Server) Packet(c Caller, query []byte) []byte {
	if len(query) > maxQuery {
		return nil
	}
	return s.reply(c, query, maxDatagram)
}

// Serve answers the queries of one connection, in their order, until it ends or sends what
// gets no answer.
func (s *Server) Serve(c Connection) {
	for {
		c.Await()
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint16(length[:])
		if n > maxQuery {
			return
		}
		query := make([]byte, n)
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := s.reply(c, query, maxMessage)
		if answer == nil {
			return
		}
		framed := append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer))), answer...) //nolint:gosec // at most maxMessage
		if _, err := c.Write(framed); err != nil {
			return
		}
	}
}
