package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvPut() *cli.Command {
	return &cli.Command{
		Name: "put", Usage: "store a value, print its version", ArgsUsage: "KEY VALUE",
		Description: "VALUE is text, - for stdin or @FILE. A text that begins with @ goes through stdin, one that\nbegins with - after --: platform kv put -- KEY -VALUE",
		Flags: []cli.Flag{
			ttlFlag("`TIME` that the item lives, such as 1m30s (default: for ever)"),
			&cli.BoolFlag{Name: "if-absent", HideDefault: true, Usage: "only if there is no item under the key"},
			ifVersionFlag(),
			&cli.StringSliceFlag{Name: "metadata", Usage: "`NAME=TEXT` about the value; may be repeated"},
		},
		Action: a.runKVPut,
	}
}

func (a *app) runKVPut(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, 2, 2)
	if err != nil {
		return err
	}
	opts, err := putOptions(cmd)
	if err != nil {
		return err
	}
	value, err := a.readAll(ctx, args[1]) // in its own time
	if err != nil {
		return err
	}
	return a.useKV(ctx, cmd, true, func(ctx context.Context, kv *kvclient.Client) error {
		version, err := kv.Put(ctx, args[0], value, opts...)
		if err != nil {
			return err
		}
		a.version(cmd, version)
		return nil
	})
}

func putOptions(cmd *cli.Command) ([]kvclient.PutOption, error) {
	metadata := kvclient.Metadata{}
	for _, word := range cmd.StringSlice("metadata") {
		name, text, ok := strings.Cut(word, "=")
		if !ok {
			return nil, usage("--metadata: %q is not of the form name=text", word)
		}
		metadata[name] = text
	}
	opts := []kvclient.PutOption{kvclient.TTL(cmd.Duration(flagTTL)), kvclient.IfVersion(cmd.Uint64(flagIfVersion)), metadata}
	if cmd.Bool("if-absent") {
		opts = append(opts, kvclient.IfAbsent())
	}
	return opts, nil
}

// version prints the version of an item that was written.
func (a *app) version(cmd *cli.Command, v uint64) {
	if !asJSON(cmd) {
		fmt.Fprintln(a.out, v)
		return
	}
	a.json(struct {
		Version uint64 `json:"version,string"`
	}{v})
}

func (a *app) kvDelete() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove an item, or all under a prefix", ArgsUsage: "KEY",
		Description: "With --prefix or --all, which take no KEY, prints how many items it removed.",
		Flags: []cli.Flag{
			ifVersionFlag(),
			&cli.StringFlag{Name: flagPrefix, Usage: "remove every item whose key begins with `PREFIX`"},
			&cli.BoolFlag{Name: "all", HideDefault: true, Usage: "remove every item of the namespace"},
		},
		Action: a.withKV(0, 1, true, a.runKVDelete),
	}
}

func (a *app) runKVDelete(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
	prefix, all := cmd.String(flagPrefix), cmd.Bool("all")
	if !cmd.IsSet(flagPrefix) && !all {
		if len(args) == 0 {
			return usage("%s: takes KEY, --%s or --all", cmd.FullName(), flagPrefix)
		}
		return kv.Delete(ctx, args[0], kvclient.IfVersion(cmd.Uint64(flagIfVersion)))
	}
	switch {
	case len(args) > 0, cmd.IsSet(flagIfVersion), prefix != "" && all:
		return usage("%s: takes one of KEY, --%s and --all, and --%s with KEY alone", cmd.FullName(), flagPrefix, flagIfVersion)
	case prefix == "" && !all:
		return usage("%s: an empty prefix means every item of the namespace: say so with --all", cmd.FullName())
	}
	n, err := deletePrefix(ctx, kv, prefix)
	if err != nil {
		return err
	}
	if asJSON(cmd) {
		a.json(struct {
			Deleted int64 `json:"deleted,string"`
		}{n})
		return nil
	}
	fmt.Fprintln(a.out, n)
	return nil
}

// deletePrefix deletes all if there is no prefix.
func deletePrefix(ctx context.Context, kv *kvclient.Client, prefix string) (int64, error) {
	if prefix == "" {
		return kv.DeleteAll(ctx)
	}
	return kv.DeletePrefix(ctx, prefix)
}

func (a *app) kvIncr() *cli.Command {
	return &cli.Command{
		Name: "incr", Usage: "add to a number, 0 where there is none, and print the sum", ArgsUsage: "KEY [DELTA]",
		Description: "DELTA is 1 unless given, and may be negative: platform kv incr --ttl 1h visits -5",
		Flags:       []cli.Flag{ttlFlag("`TIME` that an item lives which this makes (default: for ever)")},
		Action: a.withKV(1, 2, true, func(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
			delta := int64(1)
			if len(args) == 2 {
				var err error
				if delta, err = strconv.ParseInt(args[1], 10, 64); err != nil {
					return usage("%s: DELTA %q is no number of 64 bits", cmd.FullName(), args[1])
				}
			}
			sum, err := kv.Increment(ctx, args[0], delta, kvclient.TTL(cmd.Duration(flagTTL)))
			if err != nil {
				return err
			}
			if asJSON(cmd) {
				a.json(struct {
					Value int64 `json:"value,string"`
				}{sum})
				return nil
			}
			fmt.Fprintln(a.out, sum)
			return nil
		}),
	}
}

func (a *app) kvTouch() *cli.Command {
	return &cli.Command{
		Name: "touch", Usage: "give an item a new time to live, print its version", ArgsUsage: "KEY",
		Flags: []cli.Flag{ttlFlag("`TIME` that the item lives from now on; 0 for ever")},
		Action: a.withKV(1, 1, true, func(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
			if !cmd.IsSet(flagTTL) {
				return usage("%s: how long? --%s 1m, or --%s 0 for ever", cmd.FullName(), flagTTL, flagTTL)
			}
			version, err := kv.Touch(ctx, args[0], cmd.Duration(flagTTL))
			if err != nil {
				return err
			}
			a.version(cmd, version)
			return nil
		}),
	}
}
