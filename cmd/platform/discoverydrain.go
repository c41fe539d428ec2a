package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/printable"
)

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: flagReason, Usage: "`TEXT` that says why, to whoever looks"}
}

func (a *app) discoveryDrain() *cli.Command {
	return &cli.Command{
		Name: "drain", Usage: "have an instance get no new calls while there is another one", ArgsUsage: "SERVICE INSTANCE",
		Description:   "Counts before what the instance says, until undrain takes it back or the instance is gone. Prints\nits status.",
		Flags:         []cli.Flag{reasonFlag()},
		ShellComplete: a.completeDiscovery(2, false),
		Action:        a.withDiscovery(2, 2, true, a.setStatus((*discoveryclient.Client).Drain)),
	}
}

func (a *app) discoveryUndrain() *cli.Command {
	return &cli.Command{
		Name: "undrain", Usage: "take back what an operator has said of an instance", ArgsUsage: "SERVICE INSTANCE",
		Description:   "What the instance says counts again. Prints its status.",
		Flags:         []cli.Flag{reasonFlag()},
		ShellComplete: a.completeDiscovery(2, false),
		Action:        a.withDiscovery(2, 2, true, a.setStatus((*discoveryclient.Client).Undrain)),
	}
}

// setStatus returns what says something of an instance, and prints what became of it.
func (a *app) setStatus(say func(d *discoveryclient.Client, ctx context.Context, service, id, reason string) (discoveryclient.Instance, bool, error)) discoveryAction {
	return func(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error {
		i, kept, err := say(d, ctx, args[0], args[1], cmd.String(flagReason))
		if err != nil {
			return missing(ctx, d, err, args[0], args[1])
		}
		if asJSON(cmd) {
			a.json(struct {
				Instance jsonInstance `json:"instance"`
				Kept     bool         `json:"kept"`
			}{newJSONInstance(i), kept})
			return nil
		}
		fmt.Fprintln(a.out, printable.Cell(statusOf(i)))
		if !kept && i.OperatorStatus != discoveryclient.StatusNone {
			fmt.Fprintln(a.stderr, "The registry below does not keep this: it is forgotten when the node ends that has answered.")
		}
		return nil
	}
}
