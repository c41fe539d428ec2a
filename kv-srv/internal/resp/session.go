package resp

import (
	"bytes"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// session is one connection.
type session struct {
	server *Server
	caller Caller
	reader *Reader
	out    reply
	id     int64
	over   bool

	latest *command // nil: there was none
	word   []byte   // that it was called by

	waiting run

	namespace string
	name      string // that the caller has given itself
	guesses   int    // of the password that were wrong

	// Messages of the calls that are made most, used again: handlers keep none.
	get    kvpb.GetRequest
	got    kvpb.GetResponse
	item   kvpb.Item
	put    kvpb.PutRequest
	stored kvpb.PutResponse
}

// reset makes the session that of a caller who has said nothing.
func (t *session) reset() {
	t.namespace, t.name, t.out.v3 = resource.DefaultNamespace, "", false
	t.reader.Known = t.server.conf.Password == ""
}

// last ends the session with what is in out.
func (t *session) last() {
	t.over = true
	t.caller.Linger()
}

func (t *session) flush() error {
	if len(t.out.buf) == 0 {
		return nil
	}
	_, err := t.caller.Write(t.out.buf)
	t.out.buf = t.out.buf[:0]
	t.item.Value = nil // it may be large, and the caller may stay silent
	if cap(t.out.buf) > 2*fullBuffer {
		t.out.buf = nil
	}
	return err
}

// spill sends what is enough to be sent, and ends the session where it cannot.
func (t *session) spill() {
	if len(t.out.buf) >= fullBuffer && t.flush() != nil {
		t.over = true
	}
}

func (t *session) do(args [][]byte) {
	c := t.find(args[0])
	switch {
	case c == nil:
		t.unknown(args)
	case c.arity > 0 && len(args) != c.arity || len(args) < -c.arity:
		t.wrongNumber(c.name)
	case !t.reader.Known && !c.open:
		t.out.fail("NOAUTH Authentication required.")
	default:
		c.run(t, args)
	}
}

// find returns nil for a name that is not there. Most callers send the same again and again.
func (t *session) find(word []byte) *command {
	if t.latest == nil || !bytes.Equal(word, t.word) {
		t.latest = t.server.find(word)
		if t.latest == nil {
			return nil
		}
		t.word = append(t.word[:0], word...)
	}
	return t.latest
}

// unknown says what Redis says.
func (t *session) unknown(args [][]byte) {
	const most = 128
	var b strings.Builder
	b.WriteString("ERR unknown command '")
	b.Write(args[0][:min(len(args[0]), most)])
	b.WriteString("', with args beginning with: ")
	for begin := b.Len(); len(args) > 1 && b.Len()-begin < most; args = args[1:] {
		b.WriteByte('\'')
		b.Write(args[1][:min(len(args[1]), most-(b.Len()-begin-1))])
		b.WriteString("' ")
	}
	t.out.fail(b.String())
}

func (t *session) wrongNumber(name string) {
	t.out.fail("ERR wrong number of arguments for '" + name + "' command")
}

func (t *session) syntax() { t.out.fail("ERR syntax error") }

func (t *session) refuse(err error) { t.out.fail(refusal(err)) }

// partly is a refusal where something was done before.
func partly(text string) string {
	if why, again := strings.CutPrefix(text, "TRYAGAIN "); again {
		return "UNAVAILABLE " + why
	}
	return text
}

// refusal is an error of a call as this protocol has it. TRYAGAIN means that nothing was
// done, and some clients send the command again by themselves.
func refusal(err error) string {
	e := rpcerr.From(err)
	switch e.Reason {
	case "kv.not_a_number":
		return notInteger
	case "kv.overflow":
		return "ERR increment or decrement would overflow"
	case "kv.full", "kv.quota":
		return "OOM " + e.Message
	case "draining":
		return "TRYAGAIN " + e.Message
	}
	switch e.Code {
	case codes.Unauthenticated:
		return "NOAUTH " + e.Message
	case codes.PermissionDenied:
		return "NOPERM " + e.Message
	case codes.ResourceExhausted:
		return "TRYAGAIN " + e.Message
	case codes.Unavailable:
		return "UNAVAILABLE " + e.Message
	case codes.DeadlineExceeded:
		return "TIMEOUT " + e.Message
	default:
		return "ERR " + e.Message
	}
}

const notInteger = "ERR value is not an integer or out of range"
