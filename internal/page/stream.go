package page

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
)

// stream is server-sent events (HTML Living Standard, 9.2).
type stream struct {
	w    http.ResponseWriter
	conn *http.ResponseController
}

func (s *stream) event(name string, html []byte) error {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	for line := range strings.Lines(strings.ReplaceAll(string(html), "\r", "&#13;")) {
		b.WriteString("data: " + strings.TrimSuffix(line, "\n") + "\n")
	}
	if len(html) == 0 {
		b.WriteString("data:\n") // without data it would be none
	}
	b.WriteString("\n")
	return s.write(b.Bytes())
}

// comment shows both sides that the other is there.
func (s *stream) comment() error { return s.write([]byte(": \n\n")) }

func (s *stream) write(b []byte) error {
	_, err := s.w.Write(b)
	return errors.Join(err, s.conn.Flush())
}
