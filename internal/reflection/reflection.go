// Package reflection calls gRPC services whose contract the server tells.
package reflection

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A Contract is what a server says of its services.
type Contract struct {
	Services []protoreflect.ServiceDescriptor // ordered by full name
	Types    *dynamicpb.Types                 // of all messages that the server told of
}

// maxContract is how many bytes of descriptors a server may tell.
const maxContract = 32 << 20

// Fetch asks the server behind conn for its contract, by version 1 of the protocol.
// Its errors are gRPC statuses, but for a contract that is incomplete or wrong.
func Fetch(ctx context.Context, conn grpc.ClientConnInterface) (*Contract, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	st, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	f := fetcher{stream: st, files: map[string]*descriptorpb.FileDescriptorProto{}}
	names, err := f.fetch()
	if err != nil {
		return nil, err
	}
	return f.contract(names)
}

// fetcher holds one conversation with a reflection service.
type fetcher struct {
	stream grpc.BidiStreamingClient[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]
	files  map[string]*descriptorpb.FileDescriptorProto // by path
	size   int
}

// fetch returns the names of the services once it has their files and all that these
// import.
func (f *fetcher) fetch() ([]string, error) {
	r, err := f.ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
		if err := f.learn(&reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: s.GetName()},
		}); err != nil {
			return nil, fmt.Errorf("contract of %s: %w", s.GetName(), err)
		}
	}
	for missing := f.missing(); len(missing) > 0; missing = f.missing() {
		for _, path := range missing {
			if err := f.learn(&reflectionpb.ServerReflectionRequest{
				MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: path},
			}); err != nil {
				return nil, fmt.Errorf("contract in %s: %w", path, err)
			}
			if f.files[path] == nil {
				return nil, fmt.Errorf("the server does not tell what is in %s", path)
			}
		}
	}
	return names, nil
}

// missing returns the imports that no answer had.
func (f *fetcher) missing() []string {
	var all []string
	for _, file := range f.files {
		for _, path := range file.GetDependency() {
			if f.files[path] == nil && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// learn keeps the files that the answer to req has.
func (f *fetcher) learn(req *reflectionpb.ServerReflectionRequest) error {
	r, err := f.ask(req)
	if err != nil {
		return err
	}
	for _, b := range r.GetFileDescriptorResponse().GetFileDescriptorProto() {
		if f.size += len(b); f.size > maxContract {
			return fmt.Errorf("more than %d MiB", maxContract>>20)
		}
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(b, file); err != nil {
			return fmt.Errorf("read a descriptor: %w", err)
		}
		f.files[file.GetName()] = file
	}
	return nil
}

func (f *fetcher) ask(req *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	if err := f.stream.Send(req); err != nil {
		_, err = f.stream.Recv() // has the reason why the stream ended
		return nil, err
	}
	r, err := f.stream.Recv()
	if err != nil {
		return nil, err
	}
	if e := r.GetErrorResponse(); e != nil {
		return nil, status.Error(codes.Code(e.GetErrorCode()), e.GetErrorMessage()) //nolint:gosec // any other is shown as a number
	}
	return r, nil
}

func (f *fetcher) contract(names []string) (*Contract, error) {
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range f.files {
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	c := &Contract{Types: dynamicpb.NewTypes(files)}
	for _, name := range names {
		d, err := files.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("read the contract of %s: %w", name, err)
		}
		if s, ok := d.(protoreflect.ServiceDescriptor); ok {
			c.Services = append(c.Services, s)
		}
	}
	slices.SortFunc(c.Services, func(a, b protoreflect.ServiceDescriptor) int { return cmp.Compare(a.FullName(), b.FullName()) })
	return c, nil
}
