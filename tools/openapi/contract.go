package main

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// contract is a proto package that has services.
type contract struct {
	name     string // "micro.kv.v1"
	sources  []protoreflect.FileDescriptor
	services []protoreflect.ServiceDescriptor
	known    *protoregistry.Files // and all that it imports
}

// contracts returns the packages that buf asks for, in the order of their names.
func contracts(req *pluginpb.CodeGeneratorRequest) ([]*contract, error) {
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: req.GetProtoFile()})
	if err != nil {
		return nil, err
	}
	byName := map[string]*contract{}
	for _, path := range slices.Sorted(slices.Values(req.GetFileToGenerate())) {
		fd, err := files.FindFileByPath(path)
		if err != nil {
			return nil, err
		}
		name := string(fd.Package())
		if byName[name] == nil {
			byName[name] = &contract{name: name, known: files}
		}
		c := byName[name]
		c.sources = append(c.sources, fd)
		for i := range fd.Services().Len() {
			c.services = append(c.services, fd.Services().Get(i))
		}
	}
	var all []*contract
	for _, c := range byName {
		if len(c.services) > 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *contract) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// path is where the document belongs: beside the proto files.
func (c *contract) path() string { return strings.ReplaceAll(c.name, ".", "/") + "/openapi.json" }

// version is the last word of the package's name: "v1".
func (c *contract) version() string { return c.name[strings.LastIndexByte(c.name, '.')+1:] }

func (c *contract) files() []string {
	var all []string
	for _, fd := range c.sources {
		all = append(all, fd.Path())
	}
	return all
}

// methods calls f for each method, in the order of the contract.
func (c *contract) methods(f func(protoreflect.MethodDescriptor)) {
	for _, s := range c.services {
		for i := range s.Methods().Len() {
			f(s.Methods().Get(i))
		}
	}
}

// comment returns what stands above a declaration, for readers of JSON.
func comment(d protoreflect.Descriptor) string {
	above := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return jsonNames(d.ParentFile(), unwrap(above))
}

// comments returns what stands above the package statements.
func (c *contract) comments() string {
	var all []string
	for _, fd := range c.sources {
		if s := unwrap(fd.SourceLocations().ByPath(protoreflect.SourcePath{2}).LeadingComments); s != "" { // 2: package
			all = append(all, s)
		}
	}
	return strings.Join(all, "\n\n")
}
