package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

// patience is more than anything in these tests takes.
const patience = 30 * time.Second

// lines are those of a stream as they arrive.
type lines struct {
	t    *testing.T
	next chan string
}

func newLines(t *testing.T, r io.Reader) *lines {
	l := &lines{t, make(chan string, 1000)}
	go func() {
		defer close(l.next)
		for s := bufio.NewScanner(r); s.Scan(); {
			l.next <- s.Text()
		}
	}()
	return l
}

// await returns the next line that has a text in it.
func (l *lines) await(text string) string {
	l.t.Helper()
	var seen []string
	late := time.After(patience)
	for {
		select {
		case line, ok := <-l.next:
			if strings.Contains(line, text) && ok {
				return line
			}
			if !ok {
				l.t.Fatalf("got the end after %q, want a line with %q", seen, text)
			}
			seen = append(seen, line)
		case <-late:
			l.t.Fatalf("got %q, want a line with %q", seen, text)
		}
	}
}
