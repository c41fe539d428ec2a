package port

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// pacedWriter is an answer whose caller has a time to take each write. The others that
// share its HTTP/2 connection go on.
type pacedWriter struct {
	http.ResponseWriter

	pace  pace
	conn  *http.ResponseController
	http2 bool
}

func newPacedWriter(w http.ResponseWriter, r *http.Request, limit time.Duration) *pacedWriter {
	p := &pacedWriter{ResponseWriter: w, conn: http.NewResponseController(w), http2: r.ProtoMajor == 2}
	p.pace.init(limit, p)
	return p
}

// Unwrap lets http.ResponseController through.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *pacedWriter) Write(b []byte) (int, error) {
	p.pace.begin()
	n, err := p.ResponseWriter.Write(b)
	p.pace.end()
	return n, p.judge(err)
}

// FlushError is what http.ResponseController looks for.
func (p *pacedWriter) FlushError() error {
	p.pace.begin()
	err := p.conn.Flush()
	p.pace.end()
	return p.judge(err)
}

// Flush implements http.Flusher.
func (p *pacedWriter) Flush() { _ = p.FlushError() }

// judge says why a write has failed. Over HTTP/1.1 it may have been the connection that
// has cut it.
func (p *pacedWriter) judge(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.pace.late.Store(true)
	}
	if err == nil || !p.pace.late.Load() {
		return err
	}
	return stalled(p.pace.limit).Because(err)
}

// cut implements cutter. Over HTTP/2 it resets the stream.
func (p *pacedWriter) cut() { _ = p.conn.SetWriteDeadline(time.Unix(0, 0)) } // fails on a closed connection

// finish is called at the end of the handler, after which net/http writes what it has
// kept back. Over HTTP/1.1 the connection bounds that.
func (p *pacedWriter) finish() {
	p.pace.stop()
	if p.http2 && !p.pace.late.Load() {
		_ = p.conn.SetWriteDeadline(time.Now().Add(p.pace.limit)) // fails on a closed connection
	}
}
