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
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return nil //nolint:nilerr // see above
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("other machines can reach %s, and calls are not both encrypted and authenticated: "+
		"listen on 127.0.0.1 or localhost, set PLATFORM_TLS_CERT, PLATFORM_TLS_KEY and PLATFORM_TLS_CLIENT_CA, "+
		"or accept that with PLATFORM_INSECURE=true", address)
}
