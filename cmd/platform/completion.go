package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// completion shows the command that prints the scripts for shells.
func completion(cmd *cli.Command) {
	cmd.Hidden = false
	cmd.Usage = "print the script that completes commands in bash, zsh, fish or pwsh"
	prepare(cmd)
}

// complete offers words for the first arguments, up to most, besides the commands and
// flags.
func complete(words []string, most int) cli.ShellCompleteFunc {
	return func(ctx context.Context, cmd *cli.Command) {
		args := cmd.Args().Slice()
		if len(args) > 0 && strings.HasPrefix(args[len(args)-1], "-") {
			cli.DefaultCompleteWithFlags(ctx, cmd)
			return
		}
		for _, c := range cmd.VisibleCommands() {
			fmt.Fprintf(cmd.Root().Writer, "%s:%s\n", c.Name, c.Usage)
		}
		if len(args) >= most {
			return
		}
		for _, w := range words {
			if !slices.Contains(args, w) {
				fmt.Fprintln(cmd.Root().Writer, w)
			}
		}
	}
}
