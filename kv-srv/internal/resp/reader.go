package resp

import (
	"errors"
	"io"
	"strconv"
)

// What a caller may send. Those of Redis, where it has such.
const (
	maxHeader  = 32        // bytes of a line that tells a length
	maxInline  = 64 << 10  // bytes of a command in one line
	maxCount   = 1 << 20   // arguments of a command that are read at all
	maxArgs    = 4 << 10   // of which so many are kept
	maxBulk    = 512 << 20 // bytes of an argument that are read at all
	maxUnknown = 10        // arguments of a caller who has not said who it is
	maxSecret  = 16 << 10  // bytes of an argument of such a caller
)

const (
	minBuffer  = 4 << 10
	fewArgs    = 256
	fullBuffer = 64 << 10 // no more is read ahead of the command that is read
)

// protocolError is what ends a connection.
type protocolError string

func (e protocolError) Error() string { return "Protocol error: " + string(e) }

// What a command is answered with that is read and not kept.
var (
	errLarge = errors.New("the command is larger than PLATFORM_MAX_MESSAGE allows")
	errMany  = errors.New("the command has more than 4096 arguments")
)

// Reader takes commands out of what a caller sends: arrays of strings, and lines. It keeps
// no more than one command and what has come in the same read.
type Reader struct {
	// Most is how many bytes a command may have; a larger one is skipped.
	Most int
	// Known says that the caller may send all there is. Others may ask to be known.
	Known bool

	buf              []byte
	begin, next, end int // of the command that is read, of what is not read yet, of all

	open    bool // an array has begun
	left    int  // arguments of it to come
	bulk    int  // bytes of the argument that has begun; -1: its length is to come
	skip    int  // bytes of the argument to throw away, with its line end
	size    int  // bytes of the arguments
	spans   []span
	args    [][]byte
	refusal error // why the command is not kept
}

// span is an argument, by its distance from the begin of the command.
type span struct{ from, to int }

// NewReader returns a reader that has read nothing.
func NewReader(most int) *Reader {
	return &Reader{Most: most, buf: make([]byte, minBuffer), bulk: -1}
}

// Next returns the next command that is here whole, its name first: the slice is valid until
// Next, its bytes until Fill. Without one it returns nil: Fill first. Refused is why a
// command was skipped that has come whole. After an error, which the caller may see, there
// is no next.
func (r *Reader) Next() (args [][]byte, refused, err error) {
	for {
		if r.open {
			return r.array()
		}
		r.begin = r.next
		if r.next == r.end {
			return nil, nil, nil
		}
		if r.buf[r.next] != '*' {
			args, err = r.line()
			if err != nil || len(args) > 0 || r.begin == r.next {
				return args, nil, err
			}
			continue // an empty line
		}
		count, ok, err := r.header('*', "invalid multibulk length")
		if err != nil || !ok {
			return nil, nil, err
		}
		switch {
		case count > maxCount:
			return nil, nil, protocolError("invalid multibulk length")
		case count > maxUnknown && !r.Known:
			return nil, nil, protocolError("unauthenticated multibulk length")
		case count > 0:
			r.open, r.left, r.size, r.refusal, r.spans = true, count, 0, nil, r.spans[:0]
		}
	}
}

// array goes on with the arguments of an array.
func (r *Reader) array() (args [][]byte, refused, err error) {
	for r.left > 0 {
		if r.bulk < 0 {
			if r.next < r.end && r.buf[r.next] != '$' {
				return nil, nil, protocolError("expected '$', got '" + string(r.buf[r.next:r.next+1]) + "'")
			}
			n, ok, err := r.header('$', "invalid bulk length")
			if err != nil || !ok {
				return nil, nil, err
			}
			if err := r.enter(n); err != nil {
				return nil, nil, err
			}
		}
		if r.refusal != nil {
			r.drop()
			if r.skip > 0 {
				return nil, nil, nil
			}
		} else if err := r.keep(); err != nil || r.bulk >= 0 {
			return nil, nil, err
		}
		r.left--
		r.bulk = -1
	}
	r.open = false
	if r.refusal != nil {
		return nil, r.refusal, nil
	}
	r.args = r.args[:0]
	for _, s := range r.spans {
		r.args = append(r.args, r.buf[r.begin+s.from:r.begin+s.to])
	}
	return r.args, nil, nil
}

// enter begins an argument of n bytes.
func (r *Reader) enter(n int) error {
	switch {
	case n < 0 || n > maxBulk:
		return protocolError("invalid bulk length")
	case n > maxSecret && !r.Known:
		return protocolError("unauthenticated bulk length")
	}
	r.bulk, r.skip = n, n+len("\r\n")
	r.size += n
	if r.size > r.Most {
		r.refuse(errLarge)
	}
	if len(r.spans) == maxArgs {
		r.refuse(errMany)
	}
	return nil
}

// refuse keeps nothing more of the command, but the first reason.
func (r *Reader) refuse(reason error) {
	if r.refusal == nil {
		r.refusal, r.spans = reason, nil
	}
}

// keep ends an argument that is here whole.
func (r *Reader) keep() error {
	end := r.next + r.bulk
	if r.end < end+2 {
		return nil
	}
	if r.buf[end] != '\r' || r.buf[end+1] != '\n' {
		return protocolError("an argument is longer than its length")
	}
	r.spans = append(r.spans, span{r.next - r.begin, end - r.begin})
	r.next, r.bulk = end+2, -1
	return nil
}

// drop throws away what there is of an argument, and of the command before it.
func (r *Reader) drop() {
	n := min(r.skip, r.end-r.next)
	r.next += n
	r.skip -= n
	r.begin = r.next
}

// header reads a line of a mark and a number. It returns false where it is not here whole.
func (r *Reader) header(mark byte, complaint string) (n int, ok bool, err error) {
	line := r.buf[r.next:r.end]
	for i, c := range line {
		if i == maxHeader {
			return 0, false, protocolError(complaint)
		}
		if c != '\n' {
			continue
		}
		if i < 2 || line[i-1] != '\r' || line[0] != mark {
			return 0, false, protocolError(complaint)
		}
		if n, err = number(line[1 : i-1]); err != nil {
			return 0, false, protocolError(complaint)
		}
		r.next += i + 1
		return n, true, nil
	}
	return 0, false, nil
}

// number reads decimal digits, most of which are few.
func number(b []byte) (int, error) {
	if len(b) == 0 || len(b) > 9 || b[0] < '0' || b[0] > '9' {
		return strconv.Atoi(string(b))
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

// Between tells whether nothing of the next command has come.
func (r *Reader) Between() bool { return !r.open && r.next == r.end }

// Fill reads more. What Next has returned is no longer valid.
func (r *Reader) Fill(from io.Reader) error {
	if r.open && r.refusal != nil {
		r.begin = r.next // nothing of it is kept
	}
	r.makeRoom()
	n, err := from.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// makeRoom moves what is not read to the front, or makes the buffer larger.
func (r *Reader) makeRoom() {
	kept := r.end - r.begin
	buf := r.buf
	if kept == 0 && cap(r.spans) > fewArgs && !r.open {
		r.spans, r.args = nil, nil
	}
	switch {
	case kept == 0 && len(buf) > fullBuffer:
		buf = make([]byte, minBuffer)
	case kept == 0 && r.end == len(buf) && len(buf) < fullBuffer, // it was filled by one read
		kept > len(buf)/2:
		buf = make([]byte, max(2*len(buf), minBuffer))
	case r.begin == 0:
		return
	}
	copy(buf, r.buf[r.begin:r.end])
	r.buf, r.next, r.end, r.begin = buf, r.next-r.begin, kept, 0
}
