// Package resp answers the protocol of Redis by calls of KV.
package resp

import (
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"
)

// Config is fixed when a Server is made.
type Config struct {
	Password   string // "": callers need none
	MaxCommand int    // bytes of the arguments of one command
	Version    string // of this service

	Now    func() time.Time
	Random func() uint64 // any 64 bits, equally often; called at once from several goroutines
	Log    *slog.Logger
}

// Server is what all connections have in common. Its methods may be called at once.
type Server struct {
	conf     Config
	commands map[string]*command
	password [sha256.Size]byte
	cursors  *cursors
	ids      atomic.Int64   // of connections
	wrong    rate.Sometimes // for the log: anyone can be wrong
	batches  sync.Pool      // of *batch
}

// New returns a server of nobody.
func New(c Config) *Server {
	return &Server{
		conf: c, commands: commands(), password: sha256.Sum256([]byte(c.Password)), cursors: newCursors(c.Random),
		wrong: rate.Sometimes{Interval: time.Second},
	}
}

// Caller is a connection and the calls that are made for it, one after the other.
type Caller interface {
	io.ReadWriter

	// Await says that the next read is for a new message.
	Await()
	// Linger has the caller read what was written last, though it is still sending.
	Linger()
	// Peer is the caller's address.
	Peer() string
	// Call makes a unary call and fills rsp.
	Call(endpoint string, req, rsp proto.Message) error
}

// isPassword takes the same time for every guess.
func (s *Server) isPassword(guess []byte) bool {
	sum := sha256.Sum256(guess)
	return subtle.ConstantTimeCompare(sum[:], s.password[:]) == 1
}

// Serve answers the commands of one caller, in their order, until it leaves or reading or
// writing fails.
func (s *Server) Serve(c Caller) {
	t := &session{server: s, caller: c, reader: NewReader(s.conf.MaxCommand), id: s.ids.Add(1)}
	t.reset()
	for !t.over {
		args, refused, err := t.reader.Next()
		if args != nil && t.join(args) {
			continue
		}
		t.settle()
		if t.over { // the caller does not read
			return
		}
		switch {
		case err != nil:
			t.out.fail("ERR " + err.Error())
			t.last()
		case refused != nil:
			t.out.fail("ERR " + refused.Error())
		case args != nil:
			t.do(args)
		default:
			if t.flush() != nil {
				return
			}
			if t.reader.Between() {
				c.Await()
			}
			if t.reader.Fill(c) != nil {
				return
			}
		}
		t.spill()
	}
	_ = t.flush() // the caller may have left
}
