package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/host"
)

func (a *app) health() *cli.Command {
	return &cli.Command{
		Name:      "health",
		Usage:     "ask services of this machine whether they are ready, all of them or those named",
		ArgsUsage: "[SERVICE...]",
		Description: "Asks those that run with the same settings as this command. Says nothing if all are\n" +
			"ready; else exits with 1 and says why not.",
		ShellComplete: complete(names(a.services), len(a.services)),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			words, err := arguments(cmd, 0, -1)
			if err != nil {
				return err
			}
			chosen, err := choose(a.services, words)
			if err != nil {
				return err
			}
			return host.Health(ctx, a.env(cmd), chosen...)
		},
	}
}
