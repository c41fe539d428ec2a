package discoveryclient_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy passes connections on, and can cut those that there are.
type proxy struct {
	l   net.Listener
	mu  sync.Mutex
	all []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l}
	var running sync.WaitGroup
	pass := func(from, to net.Conn) {
		running.Go(func() {
			_, _ = io.Copy(to, from) // until it is cut
			p.close(from, to)
		})
	}
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			out, err := net.Dial("tcp", to)
			if err != nil {
				p.mu.Unlock()
				p.close(in)
				continue
			}
			p.all = append(p.all, in, out)
			p.mu.Unlock()
			pass(in, out)
			pass(out, in)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut(func() {})
		running.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.l.Addr().String() }

func (p *proxy) close(all ...net.Conn) {
	for _, c := range all {
		_ = c.Close()
	}
}

// cut cuts all connections, and passes none on meanwhile.
func (p *proxy) cut(meanwhile func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close(p.all...)
	p.all = nil
	meanwhile()
}
