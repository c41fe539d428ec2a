package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

func (a *app) discoveryGet() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "list the instances of a service", ArgsUsage: "SERVICE",
		Description: "Has the status of each with who says so and why, how the node knows of it (by a lease, by a peer\nthat has put it into the registry below, or it was seen there), and how long ago it registered.\n" +
			"Metadata and endpoints are in --output json.",
		ShellComplete: a.completeDiscovery(1, false),
		Action:        a.withDiscovery(1, 1, false, a.runDiscoveryGet),
	}
}

func (a *app) runDiscoveryGet(ctx context.Context, cmd *cli.Command, d *discoveryclient.Client, args []string) error {
	var node discoveryclient.Node
	all, err := d.GetService(ctx, args[0], discoveryclient.SaveNode(&node))
	if err != nil {
		return missing(ctx, d, err, args[0])
	}
	if asJSON(cmd) {
		found := make([]jsonInstance, 0, len(all)) // not null
		for _, i := range all {
			found = append(found, newJSONInstance(i))
		}
		a.json(struct {
			Node      jsonDiscoveryNode `json:"node"`
			Instances []jsonInstance    `json:"instances"`
		}{newJSONNode(node), found})
		return nil
	}
	for _, line := range nodeLines(node) {
		fmt.Fprintln(a.out, line)
	}
	t := a.table("ID", "ADDRESS", "VERSION", "ZONE", "WEIGHT", "STATUS", "SOURCE", "AGE")
	for _, i := range all {
		t.row(i.ID, i.Address, orDash(i.Version), orDash(i.Zone), strconv.Itoa(i.Weight), statusOf(i), sourceOf(i), ago(time.Since(i.Registered)))
	}
	t.flush()
	return nil
}

// statusOf is the status of an instance: of one that is not just up with who says so, and
// why.
func statusOf(i discoveryclient.Instance) string {
	text := i.Status.String()
	switch {
	case i.OperatorStatus != discoveryclient.StatusNone:
		text += ", by an operator"
	case i.Status != discoveryclient.StatusUp:
		text += ", by itself"
	}
	if i.StatusReason != "" {
		text += ": " + i.StatusReason
	}
	if i.OperatorStatus != discoveryclient.StatusNone && i.InstanceStatus != i.OperatorStatus {
		text += fmt.Sprintf(" (itself: %s)", i.InstanceStatus)
	}
	return text
}

func sourceOf(i discoveryclient.Instance) string {
	if i.TTL == 0 {
		return i.Source.String()
	}
	return i.Source.String() + " of " + i.TTL.String()
}

// jsonInstance is an instance as JSON.
type jsonInstance struct {
	ID              string            `json:"id"`
	Address         string            `json:"address"`
	Version         string            `json:"version,omitempty"`
	Zone            string            `json:"zone,omitempty"`
	Weight          int               `json:"weight"`
	Status          string            `json:"status"`
	InstanceStatus  string            `json:"instanceStatus"`
	OperatorStatus  string            `json:"operatorStatus,omitempty"`
	StatusReason    string            `json:"statusReason,omitempty"`
	Source          string            `json:"source"`
	TTL             string            `json:"ttl,omitempty"`
	RegisterTime    time.Time         `json:"registerTime,omitzero"`
	UpdateTime      time.Time         `json:"updateTime,omitzero"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	ServiceMetadata map[string]string `json:"serviceMetadata,omitempty"`
	Endpoints       []string          `json:"endpoints,omitempty"`
}

func newJSONInstance(i discoveryclient.Instance) jsonInstance {
	j := jsonInstance{
		ID: i.ID, Address: i.Address, Version: i.Version, Zone: i.Zone, Weight: i.Weight,
		Status: i.Status.String(), InstanceStatus: i.InstanceStatus.String(), StatusReason: i.StatusReason,
		Source: i.Source.String(), RegisterTime: i.Registered, UpdateTime: i.Updated,
		Metadata: i.Metadata, ServiceMetadata: i.ServiceMetadata,
	}
	if i.OperatorStatus != discoveryclient.StatusNone {
		j.OperatorStatus = i.OperatorStatus.String()
	}
	if i.TTL > 0 {
		j.TTL = i.TTL.String()
	}
	for _, e := range i.Endpoints {
		j.Endpoints = append(j.Endpoints, e.Name)
	}
	return j
}

// jsonDiscoveryNode is what a node knows of itself, as JSON.
type jsonDiscoveryNode struct {
	Role            string    `json:"role"`
	Warming         bool      `json:"warming,omitempty"`
	PreservingSince time.Time `json:"preservingSince,omitzero"`
	Age             string    `json:"age,omitempty"`
	Leases          int64     `json:"leases,string"`
	Late            int64     `json:"late,string"`
	Watchers        int64     `json:"watchers,string"`
	Away            string    `json:"away,omitempty"`
}

func newJSONNode(n discoveryclient.Node) jsonDiscoveryNode {
	j := jsonDiscoveryNode{
		Role: n.Role.String(), Warming: n.Warming, PreservingSince: n.Preserving,
		Leases: n.Leases, Late: n.Late, Watchers: n.Watchers, Away: n.Away,
	}
	if n.Age > 0 {
		j.Age = n.Age.String()
	}
	return j
}
