// Command gomicro reads a key with go-micro's default client, as any application of
// today has it: nothing of the platform but its generated code.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go-micro.dev/v5/client"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func main() {
	kv := kvpb.NewKVService("kv-srv", client.NewClient())
	rsp, err := kv.Get(context.Background(), &kvpb.GetRequest{Key: os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", rsp.GetItem().GetValue())
}
