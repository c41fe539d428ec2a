package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/buildinfo"
)

// Flags of every command.
const (
	flagOutput   = "output"
	flagRegistry = "registry"
	flagVersion  = "version"

	flagCA         = "ca"
	flagCert       = "cert"
	flagKey        = "key"
	flagServerName = "server-name"
)

// root is the whole command line.
func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:        "platform",
		Usage:       "run the services of the platform, and call them",
		Description: exitHelp,
		Writer:      a.out,
		ErrWriter:   a.stderr,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Value: "table", Usage: "`FORMAT`, table or json", Validator: outputs},
			&cli.StringFlag{Name: flagRegistry, Usage: "`URL` of where services find each other (default: PLATFORM_REGISTRY, else mdns:)"},
			&cli.StringFlag{Name: flagCA, Usage: "call by TLS services whose certificates come from CAs of `FILE`, or of the machine if it is system (default: PLATFORM_TLS_CA)"},
			&cli.StringFlag{Name: flagCert, Usage: "`FILE` of the certificate to show them (default: PLATFORM_TLS_CERT)"},
			&cli.StringFlag{Name: flagKey, Usage: "`FILE` of its private key (default: PLATFORM_TLS_KEY)"},
			&cli.StringFlag{Name: flagServerName, Usage: "`NAME` that their certificates must be for (default: PLATFORM_TLS_SERVER_NAME, else the address)"},
			&cli.BoolFlag{Name: flagVersion, Local: true, HideDefault: true, Usage: "print which build this is"},
		},
		Commands: []*cli.Command{a.serve(), a.console(), a.health(), a.list(), a.top(), a.call(), a.discovery(), a.kv(), a.backup(), a.restore(), help()},
		Before:   a.before,

		// Else each command would take "help" and "h" for itself: kv get h.
		HideHelpCommand:                 true,
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: completion,
		ShellComplete:                   complete(nil, 0),
		// The default ends the process.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	prepare(root)
	return root
}

func outputs(s string) error {
	if s != "table" && s != "json" {
		return fmt.Errorf("have table, json")
	}
	return nil
}

func (a *app) before(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	if cmd.Bool(flagVersion) {
		fmt.Fprintln(a.out, buildinfo.Line(cmd.Root().Name))
		return ctx, errShown
	}
	return ctx, nil
}

// prepare sets in cmd and all below it what cli does not inherit.
func prepare(cmd *cli.Command) {
	cmd.OnUsageError = wrongFlag
	cmd.DisableSliceFlagSeparator = true
	if cmd.Action == nil {
		cmd.Action = group
	}
	for _, c := range cmd.Commands {
		prepare(c)
	}
}

// group is the action of a command that has commands: it was called without one.
func group(ctx context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return show(ctx, cmd)
	}
	var have []string
	for _, c := range cmd.VisibleCommands() {
		have = append(have, c.Name)
	}
	word := cmd.Args().First()
	return usage("%s: no command %q%s (have %s)", cmd.FullName(), word, didYouMean(word, have), strings.Join(have, ", "))
}

// show prints the help of cmd.
func show(ctx context.Context, cmd *cli.Command) error {
	lineage := cmd.Lineage()
	if len(lineage) == 1 {
		return cli.ShowRootCommandHelp(cmd)
	}
	return cli.ShowCommandHelp(ctx, lineage[1], cmd.Name)
}

func help() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "show the help of a command", ArgsUsage: "[COMMAND...]",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			of := cmd.Root()
			for _, name := range cmd.Args().Slice() {
				below := of.Command(name)
				if below == nil {
					return usage("%s: no command %q", of.FullName(), name)
				}
				of = below
			}
			return show(ctx, of)
		},
	}
}

// wrongFlag says what is wrong with a flag.
func wrongFlag(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		text = fmt.Sprintf("no flag %s%s", dashed(name), didYouMean(dashed(name), flags(cmd)))
	}
	if value, why, ok := strings.Cut(text, " for flag -"); ok {
		name, why, _ := strings.Cut(why, ": ")
		text = fmt.Sprintf("%s for %s: %s", value, dashed(name), why)
	}
	return usage("%s: %s (%s -h lists them)", cmd.FullName(), text, cmd.FullName())
}

// flags returns the names of what cmd takes, as they are typed.
func flags(cmd *cli.Command) []string {
	var all []string
	for _, f := range append(cmd.VisibleFlags(), cmd.VisiblePersistentFlags()...) {
		for _, name := range f.Names() {
			all = append(all, dashed(name))
		}
	}
	return all
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// arguments returns those of cmd: at least least and at most most, unless most is
// below 0.
func arguments(cmd *cli.Command, least, most int) ([]string, error) {
	all, takes := cmd.Args().Slice(), cmp.Or(cmd.ArgsUsage, "no argument")
	switch {
	case len(all) < least:
		return nil, usage("%s: takes %s, got %d arguments (%s -h)", cmd.FullName(), takes, len(all), cmd.FullName())
	case most < 0 || len(all) <= most:
		return all, nil
	case strings.HasPrefix(all[most], "-"):
		return nil, usage("%s: flags go before an argument that begins with a dash: %s (%s -h)", cmd.FullName(), all[most], cmd.FullName())
	}
	return nil, usage("%s: takes %s, got also %q (%s -h)", cmd.FullName(), takes, all[most], cmd.FullName())
}
