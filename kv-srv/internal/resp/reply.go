package resp

import "strconv"

// reply is what goes to the caller. The zero value is empty, for RESP2.
type reply struct {
	buf []byte
	v3  bool // RESP3
}

func (r *reply) line(mark byte, n int64) {
	r.buf = append(r.buf, mark)
	r.buf = strconv.AppendInt(r.buf, n, 10)
	r.buf = append(r.buf, '\r', '\n')
}

func (r *reply) integer(n int64) { r.line(':', n) }
func (r *reply) array(n int)     { r.line('*', int64(n)) }

// dict begins a map of n pairs, or an array of their halves.
func (r *reply) dict(n int) {
	if r.v3 {
		r.line('%', int64(n))
		return
	}
	r.array(2 * n)
}

// flag is an integer that says yes or no.
func (r *reply) flag(yes bool) {
	if yes {
		r.integer(1)
		return
	}
	r.integer(0)
}

func (r *reply) null() {
	if r.v3 {
		r.buf = append(r.buf, "_\r\n"...)
		return
	}
	r.buf = append(r.buf, "$-1\r\n"...)
}

// status is a word of ours, such as OK.
func (r *reply) status(s string) {
	r.buf = append(r.buf, '+')
	r.buf = append(r.buf, s...)
	r.buf = append(r.buf, '\r', '\n')
}

// fail is an error, the first word of which is its kind. It is one line, whatever it quotes.
func (r *reply) fail(text string) {
	r.buf = append(r.buf, '-')
	for i := range len(text) {
		if c := text[i]; c == '\r' || c == '\n' {
			r.buf = append(r.buf, ' ')
		} else {
			r.buf = append(r.buf, c)
		}
	}
	r.buf = append(r.buf, '\r', '\n')
}

func (r *reply) bulk(b []byte) {
	r.line('$', int64(len(b)))
	r.buf = append(r.buf, b...)
	r.buf = append(r.buf, '\r', '\n')
}

func (r *reply) text(s string) {
	r.line('$', int64(len(s)))
	r.buf = append(r.buf, s...)
	r.buf = append(r.buf, '\r', '\n')
}
