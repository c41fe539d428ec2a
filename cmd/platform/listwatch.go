package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/rpcerr"
)

// change is what has happened to an instance: came, went, restarted, or the state that
// it is in now.
type change struct {
	Time     time.Time `json:"time"`
	Change   string    `json:"change"`
	Instance instance  `json:"instance"`
	State    string    `json:"state"`
	Why      string    `json:"why,omitempty"`
}

// watchInstances prints who is there, and what changes.
func (a *app) watchInstances(ctx context.Context, cmd *cli.Command, w watched) error {
	if !w.known(ctx) {
		return nil
	}
	before := w.Services()
	if err := w.Err(); err != nil && len(before) == 0 {
		return rpcerr.New(codes.Unavailable, "", "list what the registry %s has", w.directory.url).Because(err)
	}
	if asJSON(cmd) {
		a.printChanges(cmd, changes(nil, before, time.Now()))
	} else {
		a.printStates(before)
	}
	if len(before) == 0 {
		fmt.Fprintln(a.stderr, w.directory.empty())
	}
	fmt.Fprintln(a.stderr, "Watching for changes. Ctrl-C ends it.")
	told := ""
	for a.out.err == nil { // told at the end
		select {
		case <-w.changed:
		case <-ctx.Done():
			return nil
		}
		now := w.Services()
		a.printChanges(cmd, changes(before, now, time.Now()))
		before, told = now, a.tell(w.Err(), told)
	}
	return nil
}

// tell writes that the registry has begun to fail, or works again, and returns what
// there is to tell no more.
func (a *app) tell(err error, told string) string {
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now != "" && told == "":
		fmt.Fprintln(a.stderr, "What was there before is watched:", printable.Lines(now))
	case now == "" && told != "":
		fmt.Fprintln(a.stderr, "The registry answers again.")
	}
	return now
}

func (a *app) printStates(all []fleet.Service) {
	t := a.table("SERVICE", "VERSION", "ADDRESS", "ENDPOINTS", "STATE")
	for _, s := range all {
		for _, i := range s.Instances {
			state := i.State.String()
			if i.Why != "" {
				state += ": " + i.Why
			}
			t.row(s.Name, i.Version, i.Address, strconv.Itoa(len(i.Endpoints)), state)
		}
	}
	t.flush()
}

func (a *app) printChanges(cmd *cli.Command, all []change) {
	for _, c := range all {
		if asJSON(cmd) {
			a.line(c)
			continue
		}
		fmt.Fprintf(a.out, "%s  %-9s  %s  %s%s\n", c.Time.Format(time.TimeOnly), c.Change, printable.Cell(c.Instance.Name), printable.Cell(c.Instance.Address), c.more())
	}
}

// more is the state of who has come, and why it is as it is.
func (c change) more() string {
	var all []string
	if c.Change == "came" || c.Change == "restarted" {
		all = append(all, c.State)
	}
	if c.Why != "" && c.Change != "went" {
		all = append(all, printable.Cell(c.Why))
	}
	if len(all) == 0 {
		return ""
	}
	return "  " + strings.Join(all, ": ")
}

type place struct{ service, address string }

// changes returns what leads from one state of a fleet to another, in its order.
func changes(before, now []fleet.Service, at time.Time) []change {
	was, is := places(before), places(now)
	var all []change
	add := func(what, service string, i fleet.Instance) {
		all = append(all, change{at, what, described(service, i), i.State.String(), i.Why})
	}
	each(before, func(service string, i fleet.Instance) {
		if _, ok := is[place{service, i.Address}]; !ok {
			add("went", service, i)
		}
	})
	each(now, func(service string, i fleet.Instance) {
		old, ok := was[place{service, i.Address}]
		switch {
		case !ok:
			add("came", service, i)
		case old.State != i.State:
			add(i.State.String(), service, i)
		case !old.Started.IsZero() && !i.Started.IsZero() && !old.Started.Equal(i.Started):
			add("restarted", service, i)
		}
	})
	return all
}

func each(all []fleet.Service, do func(service string, i fleet.Instance)) {
	for _, s := range all {
		for _, i := range s.Instances {
			do(s.Name, i)
		}
	}
}

func places(all []fleet.Service) map[place]fleet.Instance {
	at := map[place]fleet.Instance{}
	each(all, func(service string, i fleet.Instance) { at[place{service, i.Address}] = i })
	return at
}

// described is what the registry has of i.
func described(service string, i fleet.Instance) instance {
	endpoints := i.Endpoints
	if endpoints == nil {
		endpoints = []string{} // not null in JSON
	}
	return instance{service, i.Version, i.ID, i.Address, endpoints, i.Metadata}
}
