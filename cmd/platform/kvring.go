package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvRing() *cli.Command {
	return &cli.Command{
		Name: "ring", Usage: "list the nodes that keep the items of memory: together",
		Description: "Has what each node answers for, the copies that it keeps for others, and the slots that it\nstill has to bring up to date on other nodes, as one of them knows it: --address chooses it.\n" +
			"A node is joining, serving, leaving, waiting for the others, or silent, with the reason\nbelow the table.\n\n" +
			"With --watch it is drawn again every second on a terminal, until Ctrl-C, which is no failure: it\nexits with 0; else, and with --output json, it is a line of JSON every second.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "watch", HideDefault: true, Usage: "go on, and show it as it is every second"}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Bool("watch") {
				return a.withKV(0, 0, false, a.watchKVRing)(ctx, cmd)
			}
			return a.withKV(0, 0, true, a.runKVRing)(ctx, cmd)
		},
	}
}

func (a *app) runKVRing(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, _ []string) error {
	r, err := kv.Ring(ctx)
	switch {
	case err != nil:
		return err
	case asJSON(cmd):
		a.json(newJSONRing(r))
	default:
		printRing(a.out, r)
	}
	return nil
}

// printRing writes a table of the nodes, and what there is to say of all of them.
func printRing(w io.Writer, r kvclient.Ring) {
	t := newTable(w, "NODE", "STATE", "SHARE", "KEYS", "COPIES", "MEMORY", "MOVING", "MOVED", "CONFLICTS", "UP SINCE")
	for _, n := range r.Nodes {
		t.row(nodeRow(n, n.Name == r.Node)...)
	}
	t.flush()
	fmt.Fprintf(w, "* has answered. Each item is on %d nodes%s; the keys are in %d slots.\n", r.Replicas, fewer(r), r.Slots)
	moves := ringMoves(r)
	for _, m := range moves {
		fmt.Fprintln(w, printable.Lines(m))
	}
	if len(moves) == 0 {
		fmt.Fprintln(w, "Settled: nothing moves.")
	}
}

func nodeRow(n kvclient.Node, answers bool) []string {
	name := n.Name
	if answers {
		name += " *"
	}
	row := []string{name, nodeState(n), page.Percent(n.Share)}
	if n.Silent {
		row = append(row, "-", "-", "-", "-", "-", "-")
	} else {
		row = append(row, figure(n.Keys), figure(n.Copies), page.Bytes(n.Bytes)+" of "+page.Bytes(n.MaxBytes), figure(n.Moving), figure(n.Moved), figure(n.Conflicts))
	}
	return append(row, n.Started.UTC().Format(time.RFC3339))
}

// nodeState is what a node does, in a word.
func nodeState(n kvclient.Node) string {
	switch {
	case n.Silent:
		return "silent"
	case n.State == kvclient.NodeServing && n.Waiting != "":
		return "waiting"
	}
	return n.State.String()
}

// why is behind the state of a node that does not answer for its keys.
func why(n kvclient.Node) string {
	switch {
	case n.Silent:
		return ": it has not answered in time, others know it as " + n.State.String()
	case n.Waiting != "":
		return ": " + n.Waiting
	}
	return ""
}

// fewer says that there are not as many nodes as items should be on.
func fewer(r kvclient.Ring) string {
	serving := 0
	for _, n := range r.Nodes {
		if nodeState(n) == kvclient.NodeServing.String() {
			serving++
		}
	}
	if serving >= r.Replicas {
		return ""
	}
	return fmt.Sprintf(" (fewer answer for their keys now: %d)", serving)
}

// ringMoves says what is not as it will be; nothing of a ring that is settled.
func ringMoves(r kvclient.Ring) []string {
	var all []string
	for _, n := range r.Nodes {
		if state := nodeState(n); state != kvclient.NodeServing.String() {
			all = append(all, n.Name+" is "+state+why(n))
		}
		if n.Moving > 0 {
			all = append(all, n.Name+" brings "+strconv.FormatInt(n.Moving, 10)+" slots up to date on other nodes")
		}
	}
	return all
}
