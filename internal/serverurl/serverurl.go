// Package serverurl reads what URLs of servers have in common. Its errors
// begin with the scheme, and show no password.
package serverurl

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

// Hosts reads host:port,host:port. The example shows a URL as it should be.
func Hosts(u *url.URL, example string) ([]string, error) {
	hosts := strings.Split(u.Host, ",")
	for _, host := range hosts {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return nil, fmt.Errorf("%s: %q is no host:port, want %s", u.Scheme, host, example)
		}
	}
	return hosts, nil
}

// Path reads the path that the keys begin with, without slashes around it.
func Path(u *url.URL, otherwise string) string {
	if path := strings.Trim(u.Path, "/"); path != "" {
		return path
	}
	return otherwise
}

// TLS reads tls=true, ca, cert and key; the files imply TLS. It returns nil for none.
func TLS(u *url.URL) (*tls.Config, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%s: parameters are not of the form tls=true&ca=ca.pem", u.Scheme)
	}
	config, err := security(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.Scheme, err)
	}
	return config, nil
}

func security(query url.Values) (config *tls.Config, err error) {
	config = &tls.Config{MinVersion: tls.VersionTLS12}
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
