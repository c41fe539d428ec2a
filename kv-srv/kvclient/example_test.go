package kvclient_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/kv-srv/kvclient"
)

// service is the micro.Service of an application.
var service interface{ Client() client.Client }

func Example() {
	ctx := context.Background()
	kv := kvclient.New(service.Client())

	if _, err := kv.Put(ctx, "greeting", []byte("hello"), kvclient.TTL(time.Minute)); err != nil {
		log.Fatal(err)
	}
	item, err := kv.Get(ctx, "greeting")
	switch {
	case errors.Is(err, kvclient.ErrNotFound):
		fmt.Println("nobody greets")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Printf("%s\n", item.Value)
	}
}

// A value that depends on the old one is written only if nobody else wrote meanwhile.
func ExampleClient_Put_ifVersion() {
	ctx := context.Background()
	kv := kvclient.New(service.Client())

	for {
		item, err := kv.Get(ctx, "greeting")
		if err != nil {
			log.Fatal(err)
		}
		_, err = kv.Put(ctx, "greeting", append(item.Value, '!'), kvclient.IfVersion(item.Version))
		if errors.Is(err, kvclient.ErrConflict) {
			continue // read again
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
}

// What takes long to make is made by one caller of all, and again before it ends.
func ExampleClient_GetOrFill() {
	ctx := context.Background()
	kv := kvclient.New(service.Client())

	render := func(context.Context) ([]byte, error) { return []byte("a report"), nil }
	item, err := kv.GetOrFill(ctx, "report", render,
		kvclient.TTL(time.Minute), kvclient.Stale(10*time.Second), kvclient.Lease(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", item.Value)
}

// What is listed and then watched is missed nowhere.
func ExampleClient_Watch() {
	ctx := context.Background()
	kv := kvclient.New(service.Client(), kvclient.WithNamespace("billing"))

	var version uint64
	for item, err := range kv.List(ctx, "user/", kvclient.SaveVersion(&version)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("has", item.Key)
	}
	for event, err := range kv.Watch(ctx, "user/", kvclient.FromVersion(version)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Type, event.Item.Key)
	}
}

// What is read over and over is kept in this process, for as long as nobody changes it.
func ExampleWithCache() {
	ctx := context.Background()
	kv := kvclient.New(service.Client(), kvclient.WithCache(64<<20))
	defer kv.Close()

	for range 1000 { // the first ones ask the service
		if _, err := kv.Get(ctx, "greeting"); err != nil && !errors.Is(err, kvclient.ErrNotFound) {
			log.Print(err)
		}
	}
	stats := kv.CacheStats()
	fmt.Println(stats.Hits, "of", stats.Hits+stats.Misses)
}

// What is kept where, and which keys are used most.
func ExampleClient_Namespaces() {
	ctx := context.Background()
	kv := kvclient.New(service.Client())

	for n, err := range kv.Namespaces(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s in %s: %d keys\n", n.Name, n.Backend, n.Keys)
	}
	keys, err := kv.HotKeys(ctx, kvclient.AllNamespaces(), kvclient.MaxKeys(10))
	if err != nil {
		log.Fatal(err)
	}
	for _, k := range keys {
		fmt.Printf("%s/%s: %.1f reads and %.1f writes in a second\n", k.Namespace, k.Key, k.Reads, k.Writes)
	}
}
