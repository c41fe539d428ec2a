// Command kv-srv runs the key-value service.
package main

import (
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/kv-srv/kvserver"
)

func main() { host.Main(kvserver.Service()) }
