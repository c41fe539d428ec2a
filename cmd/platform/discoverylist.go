package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

func (a *app) discoveryList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the services whose names begin with a prefix", ArgsUsage: "[PREFIX]",
		Description: "Has how many instances of each are up, draining and out of service, their versions and zones,\nand how long ago one was changed.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: flagAll, HideDefault: true, Usage: "those of all namespaces"}},
		Action:      a.withDiscovery(0, 1, false, a.runDiscoveryList),
	}
}

func (a *app) runDiscoveryList(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error {
	every, err := allNamespaces(cmd)
	if err != nil {
		return err
	}
	var node discoveryclient.Node
	opts := []discoveryclient.ListOption{discoveryclient.SaveNode(&node)}
	if every {
		opts = append(opts, discoveryclient.AllNamespaces())
	}
	var out summaryListing = &jsonSummaries{app: a}
	if !asJSON(cmd) {
		out = &tableSummaries{out: a.out, every: every, now: time.Now()}
	}
	for s, err := range d.Services(ctx, first(args), opts...) {
		if err != nil {
			return err
		}
		out.summary(s, node)
	}
	out.end(node)
	return nil
}

// summaryListing prints services, however many there are: it holds a part of them at most.
type summaryListing interface {
	summary(s discoveryclient.Summary, n discoveryclient.Node)
	end(n discoveryclient.Node)
}

// tableSummaries has a row for each service. It aligns a thousand at a time.
type tableSummaries struct {
	out   io.Writer
	every bool // has namespaces
	now   time.Time
	table table
	rows  int
}

func (l *tableSummaries) begin(n discoveryclient.Node) {
	if l.table.w != nil {
		return
	}
	for _, line := range nodeLines(n) {
		fmt.Fprintln(l.out, line)
	}
	header := []string{"SERVICE", "UP", "DRAINING", "OUT", "VERSIONS", "ZONES", "CHANGED"}
	if l.every {
		header = append([]string{"NAMESPACE"}, header...)
	}
	l.table = newTable(l.out, header...)
}

func (l *tableSummaries) summary(s discoveryclient.Summary, n discoveryclient.Node) {
	l.begin(n)
	row := []string{
		s.Service, strconv.Itoa(s.Up), strconv.Itoa(s.Draining), strconv.Itoa(s.OutOfService),
		orDash(strings.Join(s.Versions, ", ")), orDash(strings.Join(s.Zones, ", ")), ago(l.now.Sub(s.Updated)),
	}
	if l.every {
		row = append([]string{s.Namespace}, row...)
	}
	l.table.row(row...)
	if l.rows++; l.rows%1000 == 0 {
		l.table.flush()
	}
}

func (l *tableSummaries) end(n discoveryclient.Node) {
	l.begin(n)
	l.table.flush()
}

// orDash is - for nothing.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// jsonSummaries is one document with a service on each line.
type jsonSummaries struct {
	*app
	rows int
}

func (l *jsonSummaries) summary(s discoveryclient.Summary, n discoveryclient.Node) {
	before := ","
	if l.rows++; l.rows == 1 {
		before = l.head(n)
	}
	row := struct {
		Namespace    string    `json:"namespace"`
		Service      string    `json:"service"`
		Versions     []string  `json:"versions,omitempty"`
		Zones        []string  `json:"zones,omitempty"`
		Up           int       `json:"up"`
		Draining     int       `json:"draining"`
		OutOfService int       `json:"outOfService"`
		Seen         int       `json:"seen"`
		Updated      time.Time `json:"updateTime"`
	}(s)
	fmt.Fprintf(l.out, "%s\n%s", before, marshal(row))
}

func (l *jsonSummaries) head(n discoveryclient.Node) string {
	return fmt.Sprintf(`{"node":%s,"services":[`, marshal(newJSONNode(n)))
}

func (l *jsonSummaries) end(n discoveryclient.Node) {
	if l.rows == 0 {
		fmt.Fprint(l.out, l.head(n))
	} else {
		fmt.Fprintln(l.out)
	}
	fmt.Fprintln(l.out, "]}")
}
