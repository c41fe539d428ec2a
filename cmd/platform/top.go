package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/fleet"
)

const (
	flagSort  = "sort"
	flagCount = "count"
)

func (a *app) top() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "show every instance as it works: its state, and the load on it",
		Description: "On a terminal it is a table, which is drawn again every second until Ctrl-C; else, and\nwith --output json, a line of JSON every second.\n\n" +
			"Rates are of the last five seconds, p50 and p99 of how long the unary calls of the last\nten took. Errors are calls that were refused or have failed: not_found, already_exists\n" +
			"and aborted are answers. An instance that does not answer is away; one that does, and has\nno /readyz, is unknown: a plain go-micro service. Colours are left out where NO_COLOR is set.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagSort, Value: "service", Usage: "`COLUMN`: " + strings.Join(orders(), ", "), Validator: sortable},
			&cli.IntFlag{Name: flagCount, HideDefault: true, Usage: "end after `N` tables or lines", Validator: countable},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			return a.watch(ctx, cmd, a.runTop)
		},
	}
}

func sortable(s string) error {
	if !slices.Contains(orders(), s) {
		return fmt.Errorf("have %s", strings.Join(orders(), ", "))
	}
	return nil
}

func countable(n int) error {
	if n < 1 {
		return fmt.Errorf("want 1 or more")
	}
	return nil
}

// topRow is an instance in the table.
type topRow struct {
	service string
	fleet.Instance
}

func orders() []string {
	return []string{"service", "state", "since", "calls", "errors", "inflight", "p50", "p99"}
}

// order compares rows by a column: the worst, the latest and the largest first.
func order(column string) func(a, b topRow) int {
	worst := []fleet.State{fleet.Away, fleet.Waiting, fleet.Unknown, fleet.Ready}
	return func(a, b topRow) int {
		switch column {
		case "state":
			return cmp.Compare(slices.Index(worst, a.State), slices.Index(worst, b.State))
		case "since":
			return b.Changed.Compare(a.Changed)
		case "calls":
			return cmp.Compare(b.Load.Calls, a.Load.Calls)
		case "errors":
			return cmp.Compare(b.Load.Errors, a.Load.Errors)
		case "inflight":
			return cmp.Compare(b.Load.InFlight, a.Load.InFlight)
		case "p50":
			return cmp.Compare(b.Load.P50, a.Load.P50)
		case "p99":
			return cmp.Compare(b.Load.P99, a.Load.P99)
		default:
			return 0 // services are in order
		}
	}
}

// topRows returns what there is to show.
func topRows(cmd *cli.Command, all []fleet.Service) []topRow {
	rows := []topRow{}
	each(all, func(service string, i fleet.Instance) { rows = append(rows, topRow{service, i}) })
	slices.SortStableFunc(rows, order(cmd.String(flagSort)))
	return rows
}

// runTop shows the fleet every second.
func (a *app) runTop(ctx context.Context, cmd *cli.Command, w watched) error {
	if a.stdoutTerminal && !asJSON(cmd) {
		fmt.Fprintf(a.out, "%s%sAsking the registry %s ...", enter, home, w.directory.url)
		defer fmt.Fprint(a.out, leave)
		return a.everySecond(ctx, cmd, w, 0, a.topFrame)
	}
	return a.everySecond(ctx, cmd, w, 1500*time.Millisecond, a.topLine) // by then there are two looks, which a load is of
}

// everySecond shows the fleet, once it is known, until ctx ends or the flag says so.
func (a *app) everySecond(ctx context.Context, cmd *cli.Command, w watched, first time.Duration, show func(*cli.Command, watched, time.Time)) error {
	if !w.known(ctx) {
		return nil
	}
	next := time.NewTimer(first)
	defer next.Stop()
	for n := 1; a.out.err == nil; n++ { // told at the end
		select {
		case now := <-next.C:
			next.Reset(time.Second)
			show(cmd, w, now)
		case <-ctx.Done():
			return nil
		}
		if n == cmd.Int(flagCount) {
			return nil
		}
	}
	return nil
}

// topLine prints one line of JSON.
func (a *app) topLine(cmd *cli.Command, w watched, now time.Time) {
	line := struct {
		Time      time.Time     `json:"time"`
		Error     string        `json:"error,omitempty"` // of the registry
		Instances []topInstance `json:"instances"`
	}{Time: now, Instances: []topInstance{}}
	if err := w.Err(); err != nil {
		line.Error = err.Error()
	}
	for _, r := range topRows(cmd, w.Services()) {
		line.Instances = append(line.Instances, newTopInstance(r))
	}
	a.line(line)
}

// topInstance is an instance as JSON.
type topInstance struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	ID      string    `json:"id"`
	Address string    `json:"address"`
	State   string    `json:"state"`
	Why     string    `json:"why,omitempty"`
	Since   time.Time `json:"since"`
	Started time.Time `json:"started,omitzero"`
	Load    *topLoad  `json:"load"` // null where it is not known
}

type topLoad struct {
	Calls    float64 `json:"calls"`
	Errors   float64 `json:"errors"`
	InFlight int     `json:"inFlight"`
	P50      string  `json:"p50"` // as protobuf writes durations in JSON: "0.0012s"
	P99      string  `json:"p99"`
}

func newTopInstance(r topRow) topInstance {
	i := topInstance{r.service, r.Version, r.ID, r.Address, r.State.String(), r.Why, r.Changed, r.Started, nil}
	if l := r.Load; l.Known {
		i.Load = &topLoad{l.Calls, l.Errors, l.InFlight, jsonDuration(l.P50), jsonDuration(l.P99)}
	}
	return i
}

func jsonDuration(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
