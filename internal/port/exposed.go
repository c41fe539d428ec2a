package port

import (
	"fmt"
	"net"
	"net/netip"
)

// Exposed returns why an address must not be listened on without more ado: other
// machines reach it. It returns nil for one of loopback, and for one that is malformed,
// which listening tells of.
func Exposed(address string) error {
	if onLoopback(address) {
		return nil
	}
	return fmt.Errorf("other machines can reach %s, and calls are not both encrypted and authenticated: "+
		"listen on 127.0.0.1 or localhost, set PLATFORM_TLS_CERT, PLATFORM_TLS_KEY and PLATFORM_TLS_CLIENT_CA, "+
		"or accept that with PLATFORM_INSECURE=true", address)
}

// ExposedPlain is Exposed for a protocol that is spoken without TLS.
func ExposedPlain(address string) error {
	if onLoopback(address) {
		return nil
	}
	return fmt.Errorf("other machines can reach %s, and this protocol is neither encrypted nor authenticated: "+
		"listen on 127.0.0.1 or localhost, or accept that with PLATFORM_INSECURE=true", address)
}

// onLoopback is true of what is malformed, too.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
