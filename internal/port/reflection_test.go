package port_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/server"
	"google.golang.org/grpc"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha" //nolint:staticcheck // old callers have no other
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/micro/platform/tests/echo"
)

// listed are the services that one version of reflection lists.
type listed func(context.Context, *grpc.ClientConn) ([]string, error)

func listV1(ctx context.Context, c *grpc.ClientConn) ([]string, error) {
	rsp, err := askV1(ctx, c, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
	var all []string
	for _, s := range rsp.GetListServicesResponse().GetService() {
		all = append(all, s.GetName())
	}
	return all, err
}

func askV1(ctx context.Context, c *grpc.ClientConn, req *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
	st, err := reflectionv1.NewServerReflectionClient(c).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := st.Send(req); err != nil {
		return nil, err
	}
	return st.Recv()
}

func listV1Alpha(ctx context.Context, c *grpc.ClientConn) ([]string, error) {
	st, err := reflectionv1alpha.NewServerReflectionClient(c).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := st.Send(&reflectionv1alpha.ServerReflectionRequest{MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{}}); err != nil {
		return nil, err
	}
	rsp, err := st.Recv()
	var all []string
	for _, s := range rsp.GetListServicesResponse().GetService() {
		all = append(all, s.GetName())
	}
	return all, err
}

func TestReflection(t *testing.T) {
	// A handler without a proto file has nothing to show.
	plain := func(s server.Server) error { return s.Handle(s.NewHandler(&Greeter{})) }
	conn := dial(t, serve(t, config(), with(&echo.Handler{}), plain).Addr().String())
	want := []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "micro.test.v1.Echo"}
	for name, list := range map[string]listed{"v1": listV1, "v1alpha": listV1Alpha} {
		got, err := list(limited(t), conn)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	rsp, err := askV1(limited(t), conn, &reflectionv1.ServerReflectionRequest{
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
