package discoveryclient_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

// service is the micro.Service of an application.
var service interface{ Client() client.Client }

func Example() {
	ctx := context.Background()
	discovery := discoveryclient.New(service.Client())

	instances, err := discovery.GetService(ctx, "greeter", discoveryclient.WithZones("west"))
	switch {
	case errors.Is(err, discoveryclient.ErrNotFound):
		fmt.Println("nobody greets")
	case err != nil:
		log.Fatal(err)
	}
	for _, i := range instances {
		fmt.Println(i.ID, i.Address, i.Version, i.Status)
	}
}

// A deploy drains an instance, and waits until another one of the new version is up.
func ExampleClient_Watch() {
	ctx := context.Background()
	discovery := discoveryclient.New(service.Client())

	if _, _, err := discovery.Drain(ctx, "greeter", "greeter-1", "deploy of 2.0"); err != nil {
		log.Fatal(err)
	}
	for change, err := range discovery.Watch(ctx, "greeter") { // those that there are come first
		if err != nil {
			log.Fatal(err)
		}
		switch change.Type {
		case discoveryclient.ChangeAdded, discoveryclient.ChangeUpdated:
			if i := change.Instance; i.Version == "2.0" && i.Status == discoveryclient.StatusUp {
				fmt.Println(i.ID, "is up")
				return
			}
		case discoveryclient.ChangeRemoved:
			fmt.Println(change.Instance.ID, "is gone:", change.Event, change.Reason)
		case discoveryclient.ChangeBroken:
			fmt.Println("discovery is away, the watch goes on once it is back:", change.Err)
		case discoveryclient.ChangeSynced, discoveryclient.ChangeNode:
		}
	}
}

// What is where, in all namespaces, and what the node that tells knows of itself.
func ExampleClient_Services() {
	ctx := context.Background()
	discovery := discoveryclient.New(service.Client())

	var node discoveryclient.Node
	for s, err := range discovery.Services(ctx, "", discoveryclient.AllNamespaces(), discoveryclient.SaveNode(&node)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.Namespace, s.Service, s.Up, "up of", s.Up+s.Draining+s.OutOfService)
	}
	if node.Warming {
		fmt.Println("there may be others: the node was started a moment ago")
	}
	for event, err := range discovery.Timeline(ctx, "greeter", "greeter-1") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Time, event.Type, event.Reason)
	}
}
