package port

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	maxPacket     = 4 << 10 // bytes of a datagram; what is longer is not answered
	packetsAtOnce = 64      // at a door; more wait in the socket, which drops what it has no room for
	portTries     = 16      // for a port that is free for both TCP and UDP
)

// listenPlain listens for connections and datagrams.
func (d *door) listenPlain() error {
	if err := ExposedPlain(d.Address); err != nil && !d.server.conf.InsecurePlain {
		return err
	}
	for tries := 1; ; tries++ {
		l, err := d.server.listen(d.Address)
		if err != nil {
			return err
		}
		d.packets, err = d.server.listenPackets(l.Addr().String())
		if err == nil {
			d.gate = d.server.newGate(l)
			return nil
		}
		err = errors.Join(err, l.Close())
		if !errors.Is(err, syscall.EADDRINUSE) || !anyPort(d.Address) || tries == portTries {
			return err
		}
	}
}

// anyPort tells whether an address has a port that the system chooses.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// packets is a socket of UDP.
type packets struct {
	conn  *net.UDPConn
	local netip.Addr // invalid: all of the machine's, and each datagram tells to which it came
}

func (s *Server) listenPackets(address string) (*packets, error) {
	c, err := (&net.ListenConfig{}).ListenPacket(s.base, "udp", address)
	if err != nil {
		return nil, err
	}
	p := &packets{conn: c.(*net.UDPConn), local: addressOf(c.LocalAddr())}
	if !p.local.IsUnspecified() {
		return p, nil
	}
	p.local = netip.Addr{}
	four := ipv4.NewPacketConn(p.conn).SetControlMessage(ipv4.FlagDst, true)
	six := ipv6.NewPacketConn(p.conn).SetControlMessage(ipv6.FlagDst, true)
	if four != nil && six != nil {
		return nil, errors.Join(four, six, c.Close())
	}
	return p, nil
}

// dismiss ends the wait for the next datagram.
func (p *packets) dismiss() error {
	if p == nil {
		return nil
	}
	return p.conn.SetReadDeadline(time.Unix(1, 0))
}

func (p *packets) close() error {
	if p == nil {
		return nil
	}
	return p.conn.Close()
}

// answerPackets reads and answers until the server stops. Several goroutines do so.
func (d *door) answerPackets() {
	datagram, control := make([]byte, maxPacket+1), make([]byte, 128)
	for d.server.draining.Err() == nil {
		n, m, _, peer, err := d.packets.conn.ReadMsgUDPAddrPort(datagram, control)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as no memory left, or the end
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // nothing tells when there is
		case n <= maxPacket:
			d.answerPacket(datagram[:n], control[:m], peer)
		}
	}
}

// answerPacket answers from the address to which the datagram came: its sender knows no
// other.
func (d *door) answerPacket(datagram, control []byte, peer netip.AddrPort) {
	local := d.packets.local
	var from []byte
	if !local.IsValid() {
		local, from = destination(control)
	}
	c := newCaller(d.server, d.Protocol, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()).String(), local)
	defer d.recovered(c.peer)
	if answer := d.Packet(&c, datagram); answer != nil {
		_, _, _ = d.packets.conn.WriteMsgUDPAddrPort(answer, from, peer) // as with one that is lost
	}
}

// destination returns where a datagram came to, and what has an answer come from there.
func destination(control []byte) (netip.Addr, []byte) {
	var six ipv6.ControlMessage
	if six.Parse(control) == nil && six.Dst != nil {
		if to, ok := netip.AddrFromSlice(six.Dst); ok && !to.Is4In6() {
			return to, (&ipv6.ControlMessage{Src: six.Dst}).Marshal()
		}
	}
	var four ipv4.ControlMessage
	dst := six.Dst
	if dst == nil && four.Parse(control) == nil {
		dst = four.Dst
	}
	to, _ := netip.AddrFromSlice(dst)
	return to.Unmap(), (&ipv4.ControlMessage{Src: dst}).Marshal()
}
