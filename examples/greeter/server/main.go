// Command server is a go-micro service that keeps its greetings in kv.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/micro/platform"
	greeterpb "github.com/micro/platform/examples/greeter/proto/greeter/v1"
	"github.com/micro/platform/kv-srv/kvclient"
)

type greeter struct{ kv *kvclient.Client }

// Hello greets with the word that kv has under "greeting".
func (g *greeter) Hello(ctx context.Context, req *greeterpb.HelloRequest, rsp *greeterpb.HelloResponse) error {
	word := "Hello"
	item, err := g.kv.Get(ctx, "greeting")
	switch {
	case err == nil:
		word = string(item.Value)
	case !errors.Is(err, kvclient.ErrNotFound):
		return err
	}
	rsp.Times, err = g.kv.Increment(ctx, "greeted/"+req.GetName(), 1)
	rsp.Greeting = fmt.Sprintf("%s, %s!", word, req.GetName())
	return err
}

func main() {
	service, err := platform.New("greeter")
	if err != nil {
		log.Fatal(err)
	}
	handler := &greeter{kv: kvclient.New(service.Client())}
	if err := greeterpb.RegisterGreeterHandler(service.Server(), handler); err != nil {
		log.Fatal(err)
	}
	if err := service.Run(); err != nil {
		log.Fatal(err)
	}
}
