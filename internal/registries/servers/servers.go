// Package servers reads the URL of the servers that a registry is kept on.
package servers

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"

	"github.com/micro/platform/internal/serverurl"
)

// Servers is where a registry is kept.
type Servers struct {
	Hosts          []string // host:port
	User, Password string
	TLS            *tls.Config // nil for none
}

// String names the servers in an error. It shows no password.
func (s Servers) String() string { return strings.Join(s.Hosts, ", ") }

// Parse reads scheme://user:password@a:1,b:2?ca=ca.pem&cert=c.pem&key=k.pem, and the files
// that it names. Its errors show no password.
func Parse(u *url.URL) (s Servers, err error) {
	if s.Hosts, err = serverurl.Hosts(u, u.Scheme+"://a:1234"); err != nil {
		return s, err
	}
	if strings.Trim(u.Path, "/") != "" || u.Opaque != "" || u.Fragment != "" {
		return s, fmt.Errorf("%s: has nothing behind its hosts but parameters", u.Scheme)
	}
	s.User = u.User.Username()
	s.Password, _ = u.User.Password()
	s.TLS, err = serverurl.TLS(u)
	return s, err
}
