// Package certs is TLS for both ends of a call: certificates come from files, and are
// read again when those change.
package certs

import (
	"crypto/tls"

	"github.com/micro/platform/internal/setting"
)

// The settings.
const (
	certFile   = "PLATFORM_TLS_CERT"
	keyFile    = "PLATFORM_TLS_KEY"
	clientCA   = "PLATFORM_TLS_CLIENT_CA"
	serviceCA  = "PLATFORM_TLS_CA"
	serverName = "PLATFORM_TLS_SERVER_NAME"
)

// Settings are those of TLS.
func Settings() []setting.Setting {
	return []setting.Setting{
		{Name: certFile, Help: "PEM file of this process's certificate and its chain: it serves TLS with it, and shows it to services that ask; read again when it changes, as those below"},
		{Name: keyFile, Help: "PEM file of the certificate's private key"},
		{Name: clientCA, Help: "PEM file of CAs: callers must show a certificate from one of them"},
		{Name: serviceCA, Help: "PEM file of CAs: services are called by TLS and must show a certificate from one of them; system is those of the machine, the default where PLATFORM_TLS_CERT is set"},
		{Name: serverName, Help: "name that certificates of services must be for; default: the address that is called"},
	}
}

// Config is what Settings say. Its zero value is no TLS.
type Config struct {
	Cert, Key  string // files
	ClientCA   string // a file; "" asks callers for nothing
	CA         string // a file, or "system"
	ServerName string
}

// Read notes in v what is wrong.
func Read(v *setting.Values) Config {
	c := Config{
		Cert: v.String(certFile), Key: v.String(keyFile), ClientCA: v.String(clientCA),
		CA: v.String(serviceCA), ServerName: v.String(serverName),
	}
	if err := c.Check(); err != nil {
		v.Fail(err.setting, "%w", err.err)
	}
	return c
}

// Serves tells whether calls are answered by TLS.
func (c Config) Serves() bool { return c.Cert != "" }

// Mutual tells whether callers must show a certificate.
func (c Config) Mutual() bool { return c.ClientCA != "" }

// Calls tells whether services are called by TLS.
func (c Config) Calls() bool { return c.CA != "" || c.Cert != "" }

// Own returns what a process calls itself with, nil without TLS. It takes whatever
// certificate it is shown, which need not be for that address, and shows its own where
// callers must show one.
func (c Config) Own() *tls.Config {
	if !c.Serves() {
		return nil
	}
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // it is on this machine, and is told nothing
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := c.pair()
			if err != nil {
				return nil, err
			}
			return &pair, nil
		},
	}
}

// Check reads every file. It returns nil where nothing is wrong.
func (c Config) Check() *Error {
	switch {
	case c.Cert != "" && c.Key == "":
		return fail(keyFile, "missing: %s is set", certFile)
	case c.Cert == "" && c.Key != "":
		return fail(certFile, "missing: %s is set", keyFile)
	case c.Cert == "" && c.ClientCA != "":
		return fail(clientCA, "works with %s and %s alone", certFile, keyFile)
	case !c.Calls() && c.ServerName != "":
		return fail(serverName, "works with %s or %s alone", serviceCA, certFile)
	}
	if c.Serves() {
		if _, err := c.server(); err != nil {
			return err
		}
	}
	if c.Calls() {
		if _, err := c.client(); err != nil {
			return err
		}
	}
	return nil
}
