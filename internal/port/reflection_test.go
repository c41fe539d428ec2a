package port_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/micro/platform/tests/echo"
)

// ask makes one request of reflection, whose versions differ in their name alone.
func ask(ctx context.Context, c *grpc.ClientConn, version string, req *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
	st, err := c.NewStream(ctx, both, "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		return nil, err
	}
	rsp := new(reflectionv1.ServerReflectionResponse)
	return rsp, errors.Join(st.SendMsg(req), st.CloseSend(), st.RecvMsg(rsp))
}

func TestReflection(t *testing.T) {
	// A handler without a proto file has nothing to show.
	plain := func(s server.Server) error { return s.Handle(s.NewHandler(&Greeter{})) }
	conn := dial(t, serve(t, config(), with(&echo.Handler{}), plain).Addr().String())
	want := []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "micro.test.v1.Echo"}
	for _, version := range []string{"v1", "v1alpha"} {
		rsp, err := ask(limited(t), conn, version, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
		var got []string
		for _, s := range rsp.GetListServicesResponse().GetService() {
			got = append(got, s.GetName())
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", version, err, diff)
		}
	}
	rsp, err := ask(limited(t), conn, "v1", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "micro.test.v1.Echo.Call"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var file descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(rsp.GetFileDescriptorResponse().GetFileDescriptorProto()[0], &file); err != nil {
		t.Fatal(err)
	}
	if got := file.GetService()[0].GetMethod()[0].GetName(); got != "Call" {
		t.Errorf("got method %q", got)
	}
}
