package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host"
)

func (a *app) console() *cli.Command {
	var settings strings.Builder
	host.WriteSettings(&settings, console.Service())
	return &cli.Command{
		Name:  "console",
		Usage: "run the pages of all services behind one address",
		Description: "Finds the services in the registry, shows how each instance is, has the pages of each\n" +
			"below its name (/kv/), and calls any method that a service tells by reflection.\n" +
			"`platform serve` runs it, too.\n\n" +
			"Settings are environment variables; each may stand in a file that NAME_FILE names:\n\n" +
			strings.TrimRight(settings.String(), "\n"),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			return a.run(ctx, cmd, []host.Service{console.Service()})
		},
	}
}
