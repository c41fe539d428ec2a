package port_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// shout is a protocol that has each datagram echoed, with the address that it came to.
func shout(c *port.Caller, datagram []byte) []byte {
	switch string(datagram) {
	case "oops":
		panic("oops")
	case "quiet":
		return nil
	}
	rsp := &echopb.CallResponse{}
	if err := c.Call("Echo.Call", &echopb.CallRequest{Text: string(datagram)}, rsp); err != nil {
		return []byte(rpcerr.Name(rpcerr.Code(err)))
	}
	return []byte(rsp.GetText() + " at " + c.Local().String())
}

func shouting(address string) port.Door {
	return port.Door{Protocol: "shout", Address: address, Serve: lines, Packet: shout}
}

// send sends datagrams from one socket, which takes answers from that address alone.
func send(t *testing.T, to string, datagrams ...string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for _, d := range datagrams {
		if _, err := c.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func heard(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// TestPackets: a datagram calls as a connection does; one that panics, gets no answer or is
// too long ends nothing.
func TestPackets(t *testing.T) {
	c := config()
	peers := make(chan string, 10)
	c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			of := call.FromContext(ctx)
			peers <- of.Protocol + " " + of.Peer
			return next(ctx, req, rsp)
		}
	})
	s := serve(t, c, with(&echo.Handler{}), withDoor(shouting("127.0.0.1:0")))
	address := s.DoorAddr("shout").String()
	conn := send(t, address, "oops", "quiet", strings.Repeat("x", 4097), "hello")
	if got := heard(t, conn); got != "hello at 127.0.0.1" {
		t.Errorf("got %q", got)
	}
	if got, want := receive(t, peers, "a call"), "shout "+conn.LocalAddr().String(); got != want {
		t.Errorf("got a call of %s, want %s", got, want)
	}
	stream, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if said := talk(t, stream, "hello", "bye"); said != "hello\ngoodbye\n" {
		t.Errorf("over TCP: got %q", said)
	}
}

// TestPacketsAnywhere: where a door listens at all addresses, an answer comes from the one
// that was asked.
func TestPacketsAnywhere(t *testing.T) {
	c := config()
	c.InsecurePlain = true
	s := serve(t, c, with(&echo.Handler{}), withDoor(shouting(":0")))
	_, number, err := net.SplitHostPort(s.DoorAddr("shout").String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		if host == "::1" {
			if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
				t.Logf("no IPv6: %v", err)
				continue
			} else if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := heard(t, send(t, net.JoinHostPort(host, number), "hi")), "hi at "+host; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPacketsDrained: who asks while the server stops gets the answer that is due.
func TestPacketsDrained(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	c := config()
	c.Wrappers = append(c.Wrappers, func(next server.HandlerFunc) server.HandlerFunc {
		return func(ctx context.Context, req server.Request, rsp any) error {
			close(began)
			<-goOn
			return next(ctx, req, rsp)
		}
	})
	s := port.New(context.WithoutCancel(t.Context()), c)
	s.AddDoor(shouting("127.0.0.1:0"))
	if err := errors.Join(with(&echo.Handler{})(s), s.Start()); err != nil {
		t.Fatal(err)
	}
	address := s.DoorAddr("shout").String()
	conn := send(t, address, "late")
	receive(t, began, "the call")
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	for { // until no one else is let in
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
	}
	close(goOn)
	if got := heard(t, conn); got != "late at 127.0.0.1" {
		t.Errorf("got %q", got)
	}
	if err := receive(t, stopped, "the end"); err != nil {
		t.Error(err)
	}
	if u, err := net.ListenPacket("udp", address); err != nil {
		t.Errorf("the socket is open after the end: %v", err)
	} else {
		u.Close()
	}
}

// TestPacketsTaken: a door whose port is taken for datagrams does not open, and one that
// others reach needs leave, for which TLS does not stand.
func TestPacketsTaken(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		taken.LocalAddr().String(): "address already in use",
		"0.0.0.0:0":                "other machines can reach 0.0.0.0:0, and this protocol is neither encrypted nor authenticated: listen on 127.0.0.1",
	} {
		c := config()
		c.Insecure = true
		other := port.New(context.WithoutCancel(t.Context()), c)
		other.AddDoor(shouting("127.0.0.1:0"))
		other.AddDoor(port.Door{Protocol: "last", Address: address, Serve: lines, Packet: shout})
		err := other.Start()
		e, ok := errors.AsType[*port.DoorError](err)
		if !ok || e.Protocol != "last" || !strings.Contains(err.Error(), want) || errors.Is(err, syscall.EADDRINUSE) != strings.Contains(want, "in use") {
			t.Errorf("%s: got %v", address, err)
		}
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
	}
	if l, err := net.Listen("tcp", taken.LocalAddr().String()); err != nil {
		t.Errorf("the other half is open: %v", err)
	} else {
		l.Close()
	}
}
