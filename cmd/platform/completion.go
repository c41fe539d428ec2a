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
	return completeBy(most, func(context.Context, *cli.Command, []string) []string { return words })
}

// completeBy is complete with words for what follows some arguments.
func completeBy(most int, words func(ctx context.Context, cmd *cli.Command, args []string) []string) cli.ShellCompleteFunc {
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
		for _, w := range words(ctx, cmd, args) {
			if !slices.Contains(args, w) {
				fmt.Fprintln(cmd.Root().Writer, w)
			}
		}
	}
}
