package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvWatch() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "print the changes under a prefix as they happen", ArgsUsage: "[PREFIX]",
		Description: "Goes on until Ctrl-C, which is no failure: it exits with 0. With --output json each change is a\nline; those of type progress say that all changes up to their version were printed.",
		Flags:       []cli.Flag{&cli.Uint64Flag{Name: "from", HideDefault: true, Usage: "begin with the changes after `VERSION`, that of a change or of list --output json"}},
		Action:      a.withKV(0, 1, false, a.runKVWatch),
	}
}

func (a *app) runKVWatch(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error {
	from := cmd.Uint64("from")
	watching := false
	for e, err := range kv.Watch(ctx, first(args), kvclient.FromVersion(from), kvclient.WithProgress()) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			a.resume(from)
			return err
		}
		from = e.Version
		if !watching {
			watching = true
			fmt.Fprintln(a.stderr, "Watching for changes. Ctrl-C ends it.")
		}
		a.printEvent(cmd, e)
		if a.out.err != nil {
			return nil // told at the end
		}
	}
	return nil
}

// resume says how to go on where a watch was cut off.
func (a *app) resume(from uint64) {
	if from != 0 {
		fmt.Fprintf(a.stderr, "The watch was cut off. To go on without missing a change: --from %d\n", from)
	}
}

func (a *app) printEvent(cmd *cli.Command, e kvclient.Event) {
	if asJSON(cmd) {
		a.event(e)
		return
	}
	switch e.Type {
	case kvclient.EventProgress:
	case kvclient.EventPut:
		fmt.Fprintf(a.out, "%-8s %d  %s  %s\n", e.Type, e.Version, printable.Cell(e.Item.Key), cut(e.Item.Value))
	default:
		fmt.Fprintf(a.out, "%-8s %d  %s\n", e.Type, e.Version, printable.Cell(e.Item.Key))
	}
}

// event prints a change as one line of JSON.
func (a *app) event(e kvclient.Event) {
	row := struct {
		Type    string    `json:"type"`
		Version uint64    `json:"version,string"`
		Item    *jsonItem `json:"item,omitempty"`
	}{e.Type.String(), e.Version, nil}
	if e.Type != kvclient.EventProgress {
		i := newJSONItem(e.Item, e.Type == kvclient.EventPut)
		row.Item = &i
	}
	a.line(row)
}
