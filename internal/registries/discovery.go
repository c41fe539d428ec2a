package registries

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/serverurl"
)

// discovery is discovery://host:8104,host:8104?namespace=name.
type discovery struct {
	hosts     []string
	namespace string
}

func parseDiscovery(u *url.URL) (d discovery, err error) {
	if d.hosts, err = serverurl.Hosts(u, "discovery://host:8104"); err != nil {
		return d, err
	}
	if strings.Trim(u.Path, "/") != "" || u.Opaque != "" || u.Fragment != "" || u.User != nil {
		return d, errors.New("discovery: want hosts, and nothing but ?namespace=name beside them")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return d, errors.New("discovery: parameters are not of the form namespace=name")
	}
	for name, values := range query {
		if name != "namespace" || len(values) != 1 {
			return d, fmt.Errorf("discovery: no parameter %q (have namespace, once)", name)
		}
		d.namespace = values[0]
	}
	return d, nil
}

func (d discovery) open(secure *certs.Source, log *slog.Logger) registry.Registry {
	return discoveryclient.Open(discoveryclient.Config{
		Addresses: d.hosts, Namespace: d.namespace, Client: client.ByAddress(secure, log), Log: log,
	})
}
