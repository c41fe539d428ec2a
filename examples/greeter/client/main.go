// Command client calls the greeter.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/micro/platform"
	greeterpb "github.com/micro/platform/examples/greeter/proto/greeter/v1"
)

func main() {
	name := "world"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	c, err := platform.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rsp, err := greeterpb.NewGreeterService("greeter", c).Hello(ctx, &greeterpb.HelloRequest{Name: name})
	if err != nil {
		log.Fatal(err) //nolint:gocritic // the process ends anyway
	}
	fmt.Printf("%s (%d times)\n", rsp.GetGreeting(), rsp.GetTimes())
}
