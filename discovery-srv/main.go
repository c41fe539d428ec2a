// Command discovery-srv runs the discovery service.
package main

import (
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host"
)

func main() { host.Main(discoveryserver.Service()) }
