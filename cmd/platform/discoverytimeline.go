package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

func (a *app) discoveryTimeline() *cli.Command {
	return &cli.Command{
		Name: "timeline", Usage: "list what happened to the instances of a service, or to one", ArgsUsage: "SERVICE [INSTANCE]",
		Description:   "The latest first, as the node has it that answers: --address chooses it. Instances that are gone\nare remembered for a while.",
		ShellComplete: a.completeDiscovery(2, false),
		Action:        a.withDiscovery(1, 2, false, a.runDiscoveryTimeline),
	}
}

func (a *app) runDiscoveryTimeline(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error {
	var out eventListing = &jsonEvents{app: a}
	if !asJSON(cmd) {
		out = &tableEvents{table: a.table("TIME", "INSTANCE", "EVENT", "ADDRESS", "VERSION", "STATUS", "REASON")}
	}
	for e, err := range d.Timeline(ctx, args[0], first(args[1:])) {
		if err != nil {
			return missing(ctx, d, err, args[0], args[1:]...)
		}
		out.event(e)
	}
	out.end()
	return nil
}

// eventListing prints events, however many there are: it holds a part of them at most.
type eventListing interface {
	event(e discoveryclient.Event)
	end()
}

// tableEvents has a row for each event. It aligns a thousand at a time.
type tableEvents struct {
	table
	rows int
}

func (l *tableEvents) event(e discoveryclient.Event) {
	l.row(e.Time.UTC().Format(time.RFC3339), e.InstanceID, e.Type.String(), e.Address, orDash(e.Version), e.Status.String(), orDash(e.Reason))
	if l.rows++; l.rows%1000 == 0 {
		l.flush()
	}
}

func (l *tableEvents) end() { l.flush() }

// jsonEvents is one document with an event on each line.
type jsonEvents struct {
	*app
	rows int
}

func (l *jsonEvents) event(e discoveryclient.Event) {
	before := ","
	if l.rows++; l.rows == 1 {
		before = `{"events":[`
	}
	row := struct {
		Time       time.Time `json:"time"`
		InstanceID string    `json:"instanceId"`
		Type       string    `json:"type"`
		Address    string    `json:"address,omitempty"`
		Version    string    `json:"version,omitempty"`
		Status     string    `json:"status"`
		Reason     string    `json:"reason,omitempty"`
	}{e.Time, e.InstanceID, e.Type.String(), e.Address, e.Version, e.Status.String(), e.Reason}
	fmt.Fprintf(l.out, "%s\n%s", before, marshal(row))
}

func (l *jsonEvents) end() {
	if l.rows == 0 {
		fmt.Fprint(l.out, `{"events":[`)
	} else {
		fmt.Fprintln(l.out)
	}
	fmt.Fprintln(l.out, "]}")
}
