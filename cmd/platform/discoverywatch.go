package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/internal/printable"
)

func (a *app) discoveryWatch() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "print the instances that there are, and what changes as it happens", ArgsUsage: "[SERVICE...]",
		Description: "Without SERVICE of all services. A line says there, added, updated, lost, deregistered or gone, and\nwhat the instance is now. It goes on when a node is lost or started again, and then prints what is\n" +
			"different; if none answers at first, it fails.\n\n" +
			"Goes on until Ctrl-C, which is no failure: it exits with 0. With --output json each change is a\nline; one of type synced says that all that there is was printed.",
		Flags:         []cli.Flag{&cli.BoolFlag{Name: flagAll, HideDefault: true, Usage: "those of all namespaces"}},
		ShellComplete: a.completeDiscovery(1000, true),
		Action:        a.withDiscovery(0, -1, false, a.runDiscoveryWatch),
	}
}

func (a *app) runDiscoveryWatch(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error {
	every, err := allNamespaces(cmd)
	if err == nil && every && len(args) > 0 {
		err = usage("%s: takes one of --%s and SERVICE", cmd.FullName(), flagAll)
	}
	if err != nil {
		return err
	}
	var changes iter.Seq2[discoveryclient.Change, error]
	if every {
		changes = d.WatchAll(ctx)
	} else {
		changes = d.Watch(ctx, args...)
	}
	w := discoveryWatcher{app: a, inJSON: asJSON(cmd), every: every}
	for c, err := range changes {
		switch {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		case c.Type == discoveryclient.ChangeBroken && !w.synced:
			return c.Err
		}
		w.change(c)
		if a.out.err != nil {
			return nil // told at the end
		}
	}
	return nil
}

// discoveryWatcher prints changes.
type discoveryWatcher struct {
	*app
	inJSON bool
	every  bool // has namespaces
	synced bool
	told   string // of the node
}

func (w *discoveryWatcher) change(c discoveryclient.Change) {
	if w.inJSON {
		w.line(newJSONChange(c))
	}
	switch c.Type {
	case discoveryclient.ChangeSynced:
		w.node(c.Node)
		if !w.synced {
			fmt.Fprintln(w.stderr, "Watching for changes. Ctrl-C ends it.")
		} else {
			fmt.Fprintln(w.stderr, "Watching again.")
		}
		w.synced = true
	case discoveryclient.ChangeNode:
		w.node(c.Node)
	case discoveryclient.ChangeBroken:
		fmt.Fprintln(w.stderr, "No node is reached, trying again. What was there is what was known last:", printable.Lines(c.Err.Error()))
	default:
		if !w.inJSON {
			w.print(c)
		}
	}
}

// node says what is not as usual with the node, and that all is again, once.
func (w *discoveryWatcher) node(n discoveryclient.Node) {
	now := strings.Join(nodeLines(n), "\n")
	switch {
	case now == w.told:
		return
	case now == "":
		fmt.Fprintln(w.stderr, "All is as usual with the node.")
	default:
		fmt.Fprintln(w.stderr, now)
	}
	w.told = now
}

func (w *discoveryWatcher) print(c discoveryclient.Change) {
	service := printable.Cell(c.Service)
	if w.every {
		service = c.Namespace + "  " + service
	}
	fmt.Fprintf(w.out, "%s  %-12s  %s  %s  %s\n", time.Now().Format(time.TimeOnly), w.word(c), service, printable.Cell(c.Instance.ID), detail(c))
}

// word says what has happened.
func (w *discoveryWatcher) word(c discoveryclient.Change) string {
	switch {
	case c.Type == discoveryclient.ChangeRemoved:
		return c.Event.String()
	case c.Type == discoveryclient.ChangeAdded && !w.synced:
		return "there"
	}
	return c.Type.String()
}

// detail is the instance as it is, or why it is gone.
func detail(c discoveryclient.Change) string {
	i := c.Instance
	words := []string{printable.Cell(i.Address)}
	if c.Type == discoveryclient.ChangeRemoved {
		if c.Reason != "" {
			words = append(words, printable.Cell(c.Reason))
		}
		return strings.Join(words, "  ")
	}
	if i.Version != "" {
		words = append(words, printable.Cell(i.Version))
	}
	if i.Zone != "" {
		words = append(words, printable.Cell(i.Zone))
	}
	return strings.Join(append(words, printable.Cell(statusOf(i))), "  ")
}

// jsonChange is a change as JSON.
type jsonChange struct {
	Time      time.Time          `json:"time"`
	Type      string             `json:"type"`
	Namespace string             `json:"namespace,omitempty"`
	Service   string             `json:"service,omitempty"`
	Instance  *jsonInstance      `json:"instance,omitempty"`
	Event     string             `json:"event,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	Node      *jsonDiscoveryNode `json:"node,omitempty"`
	Error     string             `json:"error,omitempty"`
}

func newJSONChange(c discoveryclient.Change) jsonChange {
	j := jsonChange{Time: time.Now(), Type: c.Type.String(), Namespace: c.Namespace, Service: c.Service, Reason: c.Reason}
	switch c.Type {
	case discoveryclient.ChangeSynced, discoveryclient.ChangeNode:
		n := newJSONNode(c.Node)
		j.Node = &n
	case discoveryclient.ChangeBroken:
		j.Error = c.Err.Error()
	default:
		i := newJSONInstance(c.Instance)
		j.Instance = &i
	}
	if c.Type == discoveryclient.ChangeRemoved {
		j.Event = c.Event.String()
	}
	return j
}
