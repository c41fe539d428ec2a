package discovery_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	gigabyte  = 1 << 30
	bounded   = 256 << 20 // how much more memory a node may have had than before
	procedure = "/micro.discovery.v1.Registry/"
)

// eager has a node keep no garbage that it need not.
const eager = "GOGC=100"

// spaces is a body without end, and counts what is taken of it.
type spaces struct{ taken atomic.Int64 }

func (s *spaces) Read(b []byte) (int, error) {
	copy(b, bytes.Repeat([]byte(" "), len(b)))
	s.taken.Add(int64(len(b)))
	return len(b), nil
}

// TestGigabyte: a registration of a gigabyte is refused before it has been sent, and takes no
// memory to speak of.
func TestGigabyte(t *testing.T) {
	n := open(t, eager)
	before := n.memory()
	for name, send := range map[string]struct {
		contentType, begin string
		length             int64
		http2              bool
		want               string
	}{
		"JSON":             {contentType: "application/json", length: gigabyte, want: "resource_exhausted"},
		"JSON, chunked":    {contentType: "application/json", length: -1, want: "resource_exhausted"},
		"protobuf":         {contentType: "application/proto", length: gigabyte, want: "resource_exhausted"},
		"gRPC":             {contentType: "application/grpc", begin: "\x00\x40\x00\x00\x00", length: -1, http2: true, want: "Grpc-Status:[8]"},
		"gRPC, compressed": {contentType: "application/grpc", begin: "\x01\x40\x00\x00\x00", length: -1, http2: true, want: "Grpc-Status:[8]"},
		"gRPC-Web":         {contentType: "application/grpc-web", begin: "\x00\x40\x00\x00\x00", length: -1, want: "Grpc-Status:[8]"},
	} {
		t.Run(name, func(t *testing.T) {
			body := &spaces{}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+n.address+procedure+"Register",
				io.MultiReader(strings.NewReader(send.begin), io.LimitReader(body, gigabyte-int64(len(send.begin)))))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = send.length
			req.Header = http.Header{"Content-Type": {send.contentType}, "Te": {"trailers"}, "Grpc-Encoding": {"gzip"}}
			rsp, err := caller(send.http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer rsp.Body.Close()
			said, err := io.ReadAll(rsp.Body)
			if got := fmt.Sprint(string(said), rsp.Header, rsp.Trailer); !strings.Contains(got, send.want) {
				t.Errorf("got %s, %v, want %s", got, err, send.want)
			}
			if got := body.taken.Load(); got > 64<<20 {
				t.Errorf("%d MiB were taken", got>>20)
			}
		})
	}
	n.wantMemory(before)
}

func (n *node) wantMemory(before int) {
	n.t.Helper()
	if got := n.memory() - before; got > bounded {
		n.t.Errorf("the node took %d MiB", got>>20)
	} else {
		n.t.Logf("the node took %d MiB", got>>20)
	}
}

func caller(http2 bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	return &http.Client{Transport: &http.Transport{Protocols: p}}
}

// TestDeafWatchers: who watches and never reads is cut off, and takes nothing from others.
func TestDeafWatchers(t *testing.T) {
	n := open(t, eager, "PLATFORM_WRITE_TIMEOUT=5s")
	before := n.memory()
	const deaf = 10
	for range deaf {
		n.deaf(t, "application/connect+json", false)
		n.deaf(t, "application/grpc-web+json", false)
		n.deaf(t, "application/grpc+json", true)
		n.deafMuCP(t)
	}
	eventually(t, "watchers", func() bool { return n.metric("discovery_watchers") == 4*deaf })
	var heard atomic.Int64
	stream, err := n.rpc.Watch(t.Context(), &discoverypb.WatchRequest{Services: []string{"crowd"}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the node
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			for _, c := range m.GetChanges() {
				for _, i := range c.GetInstances() {
					var round int64
					if _, err := fmt.Sscan(i.GetVersion(), &round); err == nil {
						heard.Store(round)
					}
				}
			}
		}
	}()
	round := int64(0)
	eventually(t, "end of those who do not read", func() bool {
		round++
		for i := range 20 {
			if _, err := n.rpc.Register(t.Context(), &discoverypb.RegisterRequest{Service: "crowd", Instance: &discoverypb.Instance{
				Id: fmt.Sprint(i), Address: "127.0.0.1:9000", Version: fmt.Sprint(round), Metadata: map[string]string{"large": strings.Repeat("x", 50<<10)},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		return n.metric("discovery_watchers") == 1
	})
	t.Logf("%d rounds of 1 MiB", round)
	eventually(t, "last round", func() bool { return heard.Load() == round })
	n.wantMemory(before)
}

const everything = `{"allNamespaces":true}`

// deaf opens a watch over HTTP, and does not read it.
func (n *node) deaf(t *testing.T, contentType string, http2 bool) {
	t.Helper()
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(everything)))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.address+procedure+"Watch", bytes.NewReader(append(body, everything...)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
	rsp, err := caller(http2).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = rsp.Body.Close() // it is broken
	})
}

// deafMuCP does so over go-micro RPC.
func (n *node) deafMuCP(t *testing.T) {
	t.Helper()
	c, err := net.DialTimeout("tcp", n.address, patient)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Endpoint: Registry.Watch\r\nMicro-Stream: 1\r\nContent-Length: %d\r\n\r\n%s"
	if _, err := fmt.Fprintf(c, head+head, 0, "", len(everything), everything); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReaderSize(c, 16).Peek(10); err != nil {
		t.Fatal(err)
	}
}

// TestKilledWhileRegistering: who has been registering when the node was killed is there
// afterwards, whether it was told so or not.
func TestKilledWhileRegistering(t *testing.T) {
	const all = 500
	n := open(t)
	n.crowd("", all, 3*time.Second)
	for part := range 4 {
		eventually(t, "part of the crowd", func() bool { return n.count("crowd") > part*all/5 })
		n.kill()
		n.start()
		n.awaken()
	}
	eventually(t, "crowd", func() bool { return n.count("crowd") == all })
	n.want("discovery_leases", all)
}
