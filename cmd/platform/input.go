package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxInput is how much of a file or of stdin is read at once; services take less.
const maxInput = 64 << 20

// input opens what an argument stands for: "-" is stdin, "@name" a file, anything else
// the text itself. Reading stdin ends with ctx.
func (a *app) input(ctx context.Context, arg string) (io.ReadCloser, error) {
	if arg == "-" {
		return io.NopCloser(interruptible(ctx, a.stdin)), nil
	}
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("%v", err)
		}
		return f, nil
	}
	return io.NopCloser(strings.NewReader(arg)), nil
}

// readAll reads what an argument stands for.
func (a *app) readAll(ctx context.Context, arg string) ([]byte, error) {
	r, err := a.input(ctx, arg)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	if n > maxInput {
		return nil, usage("%s has more than %d MiB", arg, maxInput>>20)
	}
	return b.Bytes(), nil
}

// readerFunc is a reader that is one function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// errInterrupted is the end of a read that the user has interrupted.
var errInterrupted = errors.New("interrupted")

// interruptible returns a reader of r that fails once ctx is done. What it reads just
// then is lost: nobody can take back a read of a terminal.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		type result struct {
			b   []byte
			err error
		}
		read := make(chan result, 1)
		own := make([]byte, len(b)) // b is the caller's again after ctx
		go func() {
			n, err := r.Read(own)
			read <- result{own[:n], err}
		}()
		select {
		case got := <-read:
			return copy(b, got.b), got.err
		case <-ctx.Done():
			return 0, errInterrupted
		}
	})
}
