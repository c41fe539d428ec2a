package resp

import (
	"bytes"
	"strings"
)

// line reads a command that somebody has typed: words in a line, with quotes as Redis has
// them. Without a whole line it reads nothing.
func (r *Reader) line() ([][]byte, error) {
	all := r.buf[r.next:r.end]
	end := bytes.IndexByte(all, '\n')
	if end > maxInline || end < 0 && len(all) > maxInline {
		return nil, protocolError("too big inline request")
	}
	if end < 0 {
		return nil, nil
	}
	r.next += end + 1
	args, ok := words(bytes.TrimSuffix(all[:end], []byte("\r")))
	if !ok {
		return nil, protocolError("unbalanced quotes in request")
	}
	if len(args) > 0 && fromBrowser(args[0]) {
		return nil, protocolError("this is no HTTP")
	}
	return args, nil
}

// fromBrowser tells the lines of a request of HTTP: a web page can have a browser send one
// here, with commands in its body.
func fromBrowser(word []byte) bool {
	return strings.EqualFold(string(word), "host:") || strings.EqualFold(string(word), "post")
}

// words splits a line. It returns false where a quote is not closed.
func words(line []byte) (all [][]byte, ok bool) {
	for {
		line = bytes.TrimLeft(line, " \t\r\x00\v\f")
		if len(line) == 0 {
			return all, true
		}
		var word []byte
		if word, line, ok = firstWord(line); !ok {
			return nil, false
		}
		all = append(all, word)
	}
}

// firstWord returns the first word of a line, and what is behind it.
func firstWord(line []byte) (word, rest []byte, ok bool) {
	word = []byte{}
	for i := range line {
		switch c := line[i]; c {
		case ' ', '\t', '\r', '\n', 0:
			return word, line[i:], true
		case '"', '\'':
			var n int
			if word, n, ok = quoted(word, line[i:]); !ok {
				return nil, nil, false
			}
			if rest = line[i+n:]; len(rest) > 0 && !isSpace(rest[0]) {
				return nil, nil, false
			}
			return word, rest, true
		default:
			word = append(word, c)
		}
	}
	return word, nil, true
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// quoted appends what stands in quotes at the begin of a line, and returns how long that is
// with its quotes.
func quoted(word, line []byte) (_ []byte, n int, ok bool) {
	quote := line[0]
	for i := 1; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return word, i + 1, true
		case c != '\\' || i+1 == len(line) || quote == '\'' && line[i+1] != '\'':
			word = append(word, c)
		case quote == '"' && line[i+1] == 'x' && i+3 < len(line) && isHex(line[i+2]) && isHex(line[i+3]):
			word = append(word, hex(line[i+2])<<4|hex(line[i+3]))
			i += 3
		default:
			i++
			word = append(word, escaped(line[i]))
		}
	}
	return nil, 0, false
}

// escaped is what stands for a letter behind a backslash.
func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
