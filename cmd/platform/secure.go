package main

import (
	"github.com/urfave/cli/v3"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/setting"
)

// secure returns what services are called with by TLS, nil without.
func (a *app) secure(cmd *cli.Command) (*certs.Source, error) {
	v := setting.New(a.env(cmd), certs.Settings())
	c := certs.Read(v)
	if err := v.Err(); err != nil {
		return nil, &host.ConfigError{Err: err}
	}
	s, err := c.Client(a.log())
	if err != nil { // the files have changed since
		return nil, &host.ConfigError{Err: err}
	}
	return s, nil
}

// credentials are secure's, for gRPC.
func (a *app) credentials(cmd *cli.Command) (credentials.TransportCredentials, error) {
	s, err := a.secure(cmd)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return insecure.NewCredentials(), nil
	}
	return credentials.NewTLS(s.Config()), nil
}
