// Command grpc reads a key with grpc-go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func main() {
	conn, err := grpc.NewClient("127.0.0.1:8106", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	rsp := new(kvpb.GetResponse)
	if err := conn.Invoke(context.Background(), "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: os.Args[1]}, rsp); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", rsp.GetItem().GetValue())
}
