// Package servers reads the URL of the servers that a registry is kept on.
package servers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
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
func Parse(u *url.URL) (Servers, error) {
	s := Servers{Hosts: strings.Split(u.Host, ",")}
	for _, host := range s.Hosts {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return s, fmt.Errorf("%q is no host:port, want %s://a:1234", host, u.Scheme)
		}
	}
	if strings.Trim(u.Path, "/") != "" || u.Opaque != "" || u.Fragment != "" {
		return s, fmt.Errorf("%s: has nothing behind its hosts but parameters", u.Scheme)
	}
	s.User = u.User.Username()
	s.Password, _ = u.User.Password()
	var err error
	s.TLS, err = security(u.RawQuery)
	return s, err
}

// security reads tls=true, ca, cert and key; the files imply TLS. It returns nil for none.
func security(rawQuery string) (*tls.Config, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, errors.New("parameters are not of the form tls=true&ca=ca.pem")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := strings.Join(query[name], ",")
		switch name {
		case "tls":
			if value != "true" {
				return nil, fmt.Errorf("tls=%s, want true", value)
			}
		case "ca":
			if config.RootCAs, err = roots(value); err != nil {
				return nil, err
			}
		case "cert", "key": // together, below
		default:
			return nil, fmt.Errorf("no parameter %q (have ca, cert, key, tls)", name)
		}
	}
	cert, key := query.Get("cert"), query.Get("key")
	if (cert == "") != (key == "") {
		return nil, errors.New("cert and key go together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if len(query) == 0 {
		return nil, nil //nolint:nilnil // no TLS
	}
	return config, nil
}

func roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // settings name files
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: no certificate in %s", file)
	}
	return pool, nil
}
