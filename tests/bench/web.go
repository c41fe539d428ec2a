package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

const echoPath = "/micro.test.v1.Echo/Call"

// dialJSON calls as curl does, dialConnect as a generated client of the Connect
// protocol. Neither accepts gzip: by default connect-go would compress each answer, the
// port none as small as these.
func dialJSON(address string, secure *tls.Config) (caller, func(), error) {
	body, err := protojson.Marshal(request())
	if err != nil {
		return nil, nil, err
	}
	return dialHTTP1(address, secure, "application/json", body, protojson.Unmarshal)
}

func dialConnect(address string, secure *tls.Config) (caller, func(), error) {
	body, err := proto.Marshal(request())
	if err != nil {
		return nil, nil, err
	}
	return dialHTTP1(address, secure, "application/proto", body, proto.Unmarshal)
}

// dialHTTP1 is a client of HTTP/1.1 that costs less than the server: net/http's would be
// the most of what is measured. The answer to its first call is looked at.
func dialHTTP1(address string, secure *tls.Config, contentType string, body []byte, decode func([]byte, proto.Message) error) (caller, func(), error) {
	h := &http1{address: address, secure: secure, request: fmt.Appendf(nil,
		"POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nConnect-Protocol-Version: 1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		echoPath, address, contentType, len(body), body)}
	answer, err := h.call(context.Background())
	if err != nil {
		return nil, nil, err
	}
	out := new(echopb.CallResponse)
	if err := decode(answer, out); err != nil {
		return nil, nil, err
	}
	if want := request(); out.GetText() != want.GetText() || !bytes.Equal(out.GetPayload(), want.GetPayload()) {
		return nil, nil, fmt.Errorf("answered %v", out)
	}
	return func(ctx context.Context) error { _, err := h.call(ctx); return err }, h.close, nil
}

// http1 makes one request again and again, on as many connections as it has callers.
type http1 struct {
	address string
	secure  *tls.Config
	request []byte

	mu   sync.Mutex
	idle []*http1Conn
}

type http1Conn struct {
	net.Conn
	r    *bufio.Reader
	body []byte
}

// call returns the answer's body. The next call on the same connection overwrites it.
func (h *http1) call(ctx context.Context) ([]byte, error) {
	c, err := h.get(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(h.request); err != nil {
		return nil, err
	}
	if err := c.answer(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	h.mu.Lock()
	h.idle = append(h.idle, c)
	h.mu.Unlock()
	return c.body, nil
}

func (h *http1) get(ctx context.Context) (*http1Conn, error) {
	h.mu.Lock()
	if last := len(h.idle) - 1; last >= 0 {
		c := h.idle[last]
		h.idle = h.idle[:last]
		h.mu.Unlock()
		return c, nil
	}
	h.mu.Unlock()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	if h.secure != nil {
		nc = tls.Client(nc, withName(h.secure, h.address))
	}
	return &http1Conn{Conn: nc, r: bufio.NewReader(nc)}, nil
}

func withName(c *tls.Config, address string) *tls.Config {
	c = c.Clone()
	c.ServerName, _, _ = net.SplitHostPort(address)
	return c
}

// answer reads one. It knows no more of HTTP than the servers here say.
func (c *http1Conn) answer() error {
	length := -1
	for n := 0; ; n++ {
		line, err := c.r.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case n == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %q", line)
		case len(line) == 2:
			if length < 0 {
				return errors.New("answered without a length")
			}
			c.body = append(c.body[:0], make([]byte, length)...)
			_, err := io.ReadFull(c.r, c.body)
			return err
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(textproto.TrimBytes(value))); err != nil {
				return err
			}
		}
	}
}

func (h *http1) close() {
	for _, c := range h.idle {
		_ = c.Close()
	}
}

// dialHTTP2 is net/http's client over HTTP/2: one connection for all callers.
func dialHTTP2(address string, secure *tls.Config) (caller, func(), error) {
	body, err := protojson.Marshal(request())
	if err != nil {
		return nil, nil, err
	}
	t := &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: true, DisableCompression: true}
	c := &http.Client{Transport: t, Timeout: 30 * time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+echoPath, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		rsp, err := c.Do(req)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(rsp.Body)
		if err := errors.Join(err, rsp.Body.Close()); err != nil {
			return err
		}
		if rsp.StatusCode != http.StatusOK || rsp.ProtoMajor != 2 || !strings.Contains(string(answer), "hello") {
			return fmt.Errorf("answered %s %s %q", rsp.Proto, rsp.Status, answer)
		}
		return nil
	}, t.CloseIdleConnections, nil
}
