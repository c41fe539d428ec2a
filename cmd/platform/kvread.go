package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvGet() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print a value", ArgsUsage: "KEY",
		Description: "Prints the value as it is, and on a terminal a newline. A terminal gets a value that is not\nprintable in quotes.",
		Action: a.withKV(1, 1, true, func(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
			i, err := kv.Get(ctx, args[0])
			if err != nil {
				return err
			}
			a.printItem(cmd, i)
			return nil
		}),
	}
}

func (a *app) printItem(cmd *cli.Command, i kvclient.Item) {
	switch value := string(i.Value); {
	case asJSON(cmd):
		a.json(newJSONItem(i, true))
	case !a.stdoutTerminal:
		fmt.Fprint(a.out, value)
	case printable.Text(value):
		fmt.Fprintln(a.out, value)
	default:
		fmt.Fprintln(a.out, strconv.Quote(value))
		fmt.Fprintln(a.stderr, "The value is not printable and stands in quotes. Write it to a file or a pipe for its bytes.")
	}
}

func (a *app) kvList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the items under a prefix", ArgsUsage: "[PREFIX]",
		Description: "In the order of the bytes of their keys. The version in --output json is where a watch goes on\nfrom without missing a change.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "keys", HideDefault: true, Usage: "print the keys alone, one on each line"}},
		Action: a.withKV(0, 1, false, func(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
			keysOnly := cmd.Bool("keys")
			var out listing
			switch {
			case asJSON(cmd):
				out = &jsonListing{app: a, values: !keysOnly}
			case keysOnly:
				out = keyListing{a}
			default:
				out = &tableListing{table: a.table("KEY", "VERSION", "EXPIRES", "VALUE")}
			}
			return list(ctx, kv, first(args), keysOnly, out)
		}),
	}
}

// list writes the items under a prefix to out. Where it fails, out is not ended.
func list(ctx context.Context, kv *kvclient.Client, prefix string, keysOnly bool, out listing) error {
	var version uint64
	opts := []kvclient.ListOption{kvclient.SaveVersion(&version)}
	if keysOnly {
		opts = append(opts, kvclient.KeysOnly())
	}
	for i, err := range kv.List(ctx, prefix, opts...) {
		if err != nil {
			return err
		}
		out.item(i, version)
	}
	out.end(version)
	return nil
}

// first is the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
