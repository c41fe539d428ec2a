package port

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime/debug"
	"time"
)

// A Door serves a protocol of the service's own on an address of its own, with the port's
// TLS, limits and end. Who comes through it calls as at any other door.
type Door struct {
	Protocol string // as call.Call has it: "resp"
	Address  string // host:port

	// Serve talks with one caller, and returns at the first error of reading or writing.
	Serve func(*Visitor)

	// Packet answers a datagram, or returns nil where there is no answer. Neither is used
	// after. A door that has it takes UDP at the same port of the same address, and has no
	// TLS. Nil: TCP alone.
	Packet func(c *Caller, datagram []byte) []byte
}

// DoorError is why a door cannot be opened.
type DoorError struct {
	Protocol string
	Err      error
}

func (e *DoorError) Error() string { return "listen for " + e.Protocol + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *DoorError) Unwrap() error { return e.Err }

// AddDoor has Start open a door.
func (s *Server) AddDoor(d Door) { s.doors = append(s.doors, &door{Door: d, server: s}) }

// DoorAddr is where a protocol is served once the server has started, nil if nowhere.
func (s *Server) DoorAddr(protocol string) net.Addr {
	for _, d := range s.doors {
		if d.Protocol == protocol && d.gate != nil {
			return d.gate.listener.Addr()
		}
	}
	return nil
}

// door is one that Start opens.
type door struct {
	Door

	server  *Server
	gate    *gate
	packets *packets // nil: TCP alone
	secure  *secure
}

// listenAtDoors listens at all or, with an error, at none.
func (s *Server) listenAtDoors() error {
	for i, d := range s.doors {
		err := d.listen()
		if err == nil {
			continue
		}
		errs := []error{&DoorError{d.Protocol, err}}
		for _, opened := range s.doors[:i] {
			errs = append(errs, opened.gate.listener.Close(), opened.packets.close())
		}
		return errors.Join(errs...)
	}
	return nil
}

func (d *door) listen() error {
	if d.Packet != nil {
		return d.listenPlain()
	}
	if err := Exposed(d.Address); err != nil && !d.server.conf.Insecure {
		return err
	}
	l, err := d.server.listen(d.Address)
	if err != nil {
		return err
	}
	d.gate, d.secure = d.server.newGate(l), d.server.newSecure()
	return nil
}

// open begins to serve.
func (d *door) open() {
	d.server.serving.Go(d.run)
	if d.packets == nil {
		return
	}
	for range packetsAtOnce {
		d.server.visitors.Go(d.answerPackets)
	}
}

// run accepts until the listener is closed.
func (d *door) run() error {
	d.gate.run(func(c *conn) { d.server.visitors.Go(func() { d.receive(c) }) })
	return nil
}

// receive serves one connection. It ends with it, and when the server stops.
func (d *door) receive(c *conn) {
	defer c.Close()
	c.noHTTP, c.leave = true, d.server.conf.WriteTimeout
	found, err := d.greet(c)
	if err != nil {
		return // shake has told of it
	}
	v := newVisitor(d.server, d.Protocol, found)
	stop := context.AfterFunc(d.server.draining, v.dismiss)
	defer stop()
	defer d.recovered(v.peer)
	d.Serve(v)
	if v.linger {
		c.linger()
	}
}

// greet returns c, or what TLS makes of it.
func (d *door) greet(c *conn) (net.Conn, error) {
	if d.secure == nil {
		return c, nil
	}
	stop := context.AfterFunc(d.server.draining, func() { _ = c.Close() })
	defer stop()
	return d.secure.shake(d.server.base, c)
}

// recovered ends what a protocol has panicked over, and nothing else.
func (d *door) recovered(peer string) {
	if p := recover(); p != nil { //nolint:revive // it is deferred
		d.server.conf.Log.ErrorContext(d.server.base, "a door panicked", "protocol", d.Protocol, "peer", peer, "panic", p,
			"stack", string(debug.Stack()))
	}
}

// drainDoors lets no one in, and waits for those who are in.
func (s *Server) drainDoors(ctx context.Context) error {
	var errs []error
	for _, d := range s.doors {
		errs = append(errs, d.gate.listener.Close(), d.packets.dismiss())
	}
	errs = append(errs, s.ended(ctx, s.visitors.Wait))
	for _, d := range s.doors {
		errs = append(errs, d.packets.close())
	}
	return errors.Join(errs...)
}

// A Visitor is a Caller that has a connection. It belongs to one goroutine.
type Visitor struct {
	Caller

	conn   net.Conn
	waits  bool      // for the first byte of a message
	due    time.Time // when the message must have arrived; zero: it has not begun
	linger bool
}

func newVisitor(s *Server, protocol string, c net.Conn) *Visitor {
	v := &Visitor{Caller: newCaller(s, protocol, c.RemoteAddr().String(), addressOf(c.LocalAddr())), conn: c, waits: true}
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		v.certificate = certificate(&state)
	}
	return v
}

// Await says that the next read is for a new message, which the caller may take long to
// begin (Config.Idle). What follows it must arrive in time (Config.Timeout).
func (v *Visitor) Await() { v.waits, v.due = true, time.Time{} }

// Linger has the caller read what was written last before the connection is closed, though
// it is still sending.
func (v *Visitor) Linger() { v.linger = true }

// Read implements io.Reader. It fails once the server stops.
func (v *Visitor) Read(b []byte) (int, error) {
	v.ended = time.Time{}
	end := v.due
	switch {
	case v.waits:
		v.waits, end = false, time.Now().Add(v.server.conf.Idle)
	case v.due.IsZero():
		v.due = time.Now().Add(v.server.conf.Timeout)
		end = v.due
	}
	if err := v.conn.SetReadDeadline(end); err != nil {
		return 0, err
	}
	if v.server.draining.Err() != nil { // dismiss may have come before the deadline
		return 0, v.server.away()
	}
	return v.conn.Read(b)
}

// dismiss ends the wait for the next message.
func (v *Visitor) dismiss() { _ = v.conn.SetReadDeadline(time.Unix(1, 0)) } // fails on a closed connection

// Write implements io.Writer. It fails where the caller does not take b in time
// (Config.WriteTimeout).
func (v *Visitor) Write(b []byte) (int, error) {
	v.ended = time.Time{}
	return v.conn.Write(b)
}
