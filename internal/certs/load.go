package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Error is what is wrong with a setting or with what its file holds. It does not show
// the file.
type Error struct {
	setting string
	err     error
}

func (e *Error) Error() string { return e.setting + ": " + e.err.Error() }

// Unwrap returns the reason without the setting.
func (e *Error) Unwrap() error { return e.err }

func fail(setting, format string, args ...any) *Error {
	return &Error{setting, fmt.Errorf(format, args...)}
}

// suites are those of TLS 1.2: forward secret, authenticated (RFC 9325, 4.2). Those of
// TLS 1.3 are not to choose.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// server is the configuration of one state of the files.
func (c Config) server() (*tls.Config, *Error) {
	pair, err := c.pair()
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, CipherSuites: suites()}
	if c.ClientCA != "" {
		if conf.ClientCAs, err = pool(clientCA, c.ClientCA); err != nil {
			return nil, err
		}
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return conf, nil
}

// client is the configuration of one state of the files.
func (c Config) client() (*tls.Config, *Error) {
	conf := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12, CipherSuites: suites(), ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	if c.Cert != "" {
		pair, err := c.pair()
		if err != nil {
			return nil, err
		}
		// Not Certificates: those are not shown to a server whose list of CAs leaves theirs
		// out, and it would call the certificate missing, not foreign.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if c.CA != "" && c.CA != "system" {
		var err *Error
		if conf.RootCAs, err = pool(serviceCA, c.CA); err != nil {
			return nil, err
		}
	}
	return conf, nil
}

func (c Config) pair() (tls.Certificate, *Error) {
	cert, err := read(certFile, c.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := read(keyFile, c.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, bad := tls.X509KeyPair(cert, key)
	if bad != nil {
		return tls.Certificate{}, fail(certFile, "%s, with the key in %s: %w", c.Cert, c.Key, bad)
	}
	return pair, nil
}

func pool(setting, file string) (*x509.CertPool, *Error) {
	pem, err := read(setting, file)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fail(setting, "%s: no certificate in PEM form", file)
	}
	return p, nil
}

func read(setting, file string) ([]byte, *Error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fail(setting, "%w", err)
	}
	return b, nil
}
