package port

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// advertised is what to register: advertise, with the port of addr if it has none, or else
// addr, and for one of all interfaces the address that this machine calls others from.
func advertised(advertise string, addr net.Addr) string {
	listening, err := netip.ParseAddrPort(addr.String())
	if _, _, bad := net.SplitHostPort(advertise); err != nil || advertise != "" && bad == nil {
		return advertise
	}
	host := strings.Trim(advertise, "[]")
	if host == "" {
		host = listening.Addr().String()
		if ip := listening.Addr(); ip.IsUnspecified() {
			host = outward(ip).String()
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(int(listening.Port())))
}

// Nobody has these addresses (RFC 5737, 3849), and nothing is sent to them.
const (
	elsewhere4 = "192.0.2.1:9"
	elsewhere6 = "[2001:db8::1]:9"
)

// outward returns an address at which others reach who listens on all, 0.0.0.0 or ::,
// preferably of IPv4: that of the default route, else that of an interface, else of
// loopback.
func outward(on netip.Addr) netip.Addr {
	fits := func(ip netip.Addr) bool {
		return ip.IsGlobalUnicast() && (ip.Is4() || on.Is6())
	}
	for _, to := range []string{elsewhere4, elsewhere6} {
		if ip := source(to); fits(ip) {
			return ip
		}
	}
	var best netip.Addr
	all, _ := net.InterfaceAddrs() // none, if it fails
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && fits(p.Addr()) && (!best.IsValid() || p.Addr().Is4() && best.Is6()) {
			best = p.Addr()
		}
	}
	switch {
	case best.IsValid():
		return best
	case on.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// source returns the address that a packet would be sent from, if there is a route.
func source(to string) netip.Addr {
	c, err := net.Dial("udp", to) //nolint:noctx // sends nothing and waits for nothing
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	from, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}
