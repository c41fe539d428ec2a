package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/urfave/cli/v3"
	"go-micro.dev/v5/registry"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/registries"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/internal/setting"
)

// directory is where services find each other.
type directory struct {
	registry.Registry
	url string // without a password
}

// directory opens the registry as services do.
func (a *app) directory(ctx context.Context, cmd *cli.Command) (*directory, error) {
	if a.registry != nil {
		return &directory{a.registry, a.registry.String() + ":"}, nil
	}
	v := setting.New(a.env(cmd), registries.Settings())
	c := registries.Read(v)
	if err := v.Err(); err != nil {
		return nil, &host.ConfigError{Err: err}
	}
	secure, err := a.secure(cmd)
	if err != nil {
		return nil, err
	}
	r, err := registries.Open(ctx, c, secure, a.log())
	if err != nil {
		return nil, err
	}
	return &directory{r, c.URL.Redacted()}, nil
}

// log takes what go-micro says beside its errors: only what went wrong.
func (a *app) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// find returns what the registry knows of a service; nothing if it is not there.
func (d *directory) find(name string) ([]*registry.Service, error) {
	all, err := fleet.Find(d, name)
	if err != nil {
		return nil, rpcerr.New(codes.Unavailable, "", "ask the registry %s for %s", d.url, name).Because(err)
	}
	return all, nil
}

// addresses returns where a service may be called: at the address that --address of
// cmd names, or where the registry says.
func (a *app) addresses(ctx context.Context, cmd *cli.Command, service string) ([]string, error) {
	if address := cmd.String(flagAddress); address != "" {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, usage("--%s: %q is no address such as 127.0.0.1:8080", flagAddress, address)
		}
		return []string{address}, nil
	}
	d, err := a.directory(ctx, cmd)
	if err != nil {
		return nil, err
	}
	found, err := d.find(service)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range found {
		for _, n := range s.Nodes {
			all = append(all, n.Address)
		}
	}
	if len(all) == 0 {
		return nil, a.away(d, service)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// away says what to do where a service is not in the registry.
func (a *app) away(d *directory, service string) error {
	start := ""
	if named(a.services, service) >= 0 {
		start = fmt.Sprintf("start it with `platform serve %s`, or ", short(service))
	}
	return rpcerr.New(codes.Unavailable, "", "no %s in the registry %s — %sgive --%s host:port", service, d.url, start, flagAddress)
}

// registered is what a service is registered as: kv is short for kv-srv.
func (a *app) registered(name string) string {
	if i := named(a.services, name); i >= 0 {
		return a.services[i].Name
	}
	return name
}
