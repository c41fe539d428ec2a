package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/reflection"
)

// Flags of the commands that call a service.
const (
	flagAddress = "address"
	flagTimeout = "timeout"
	flagHeader  = "header"
)

const callHelp = `Calls a method of any service that answers gRPC reflection, and lists the methods
where none is named:

  platform call kv-srv
  platform call kv-srv KV.Get '{"key":"greeting"}'
  platform call kv-srv micro.kv.v1.KV/Get @request.json
  generate | platform call echo-srv Echo.Collect

REQUEST is JSON, - for stdin (as is nothing, where stdin is no terminal) or @FILE. A
method that takes a stream gets each of the messages in REQUEST, or in stdin as they
come. Responses are JSON, one line for each elsewhere than on a terminal.

` + exitHelp

func addressFlag() cli.Flag {
	return &cli.StringFlag{Name: flagAddress, Usage: "call `HOST:PORT` instead of asking the registry"}
}

func timeoutFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: flagTimeout, HideDefault: true, Validator: positive,
		Usage: "`TIME` that the call may take (default: " + client.DefaultTimeout.String() + ", for streams no limit)",
	}
}

func positive(d time.Duration) error {
	if d <= 0 {
		return usage("a duration above 0, such as 500ms or 1m30s")
	}
	return nil
}

func (a *app) call() *cli.Command {
	return &cli.Command{
		Name:          "call",
		Usage:         "call a method of a service, or list its methods",
		ArgsUsage:     "SERVICE [METHOD [REQUEST]]",
		Description:   callHelp,
		ShellComplete: complete(names(a.services), 1),
		Flags: []cli.Flag{
			addressFlag(), timeoutFlag(),
			&cli.StringSliceFlag{Name: flagHeader, Usage: "send `NAME=VALUE` along; may be repeated"},
		},
		Action: a.runCall,
	}
}

func (a *app) runCall(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, 1, 3)
	if err != nil {
		return err
	}
	ctx, err = withHeaders(ctx, cmd.StringSlice(flagHeader))
	if err != nil {
		return err
	}
	p, err := a.connect(ctx, cmd, args[0])
	if err != nil {
		return err
	}
	defer p.Close()
	if len(args) == 1 {
		a.printMethods(cmd, p.Contract)
		return nil
	}
	m, err := method(p.Contract, args[0], args[1])
	if err != nil {
		return err
	}
	in, err := a.requests(ctx, m, p.Contract, args[2:])
	if err != nil {
		return err
	}
	defer in.Close()
	return a.invoke(ctx, cmd, p, m, in)
}

// invoke makes the call. A stream that the user ends has done what it was asked for.
func (a *app) invoke(ctx context.Context, cmd *cli.Command, p *reflection.Peer, m protoreflect.MethodDescriptor, in *requests) error {
	call := reflection.Call{Method: m, Next: in.next, Emit: func(rsp proto.Message) error { return a.protoJSON(rsp, p.Contract) }}
	if !m.IsStreamingClient() {
		req, err := in.next() // in its own time
		if err != nil {
			return err
		}
		call.Next = func() (proto.Message, error) { return req, nil }
	}
	streams := m.IsStreamingClient() || m.IsStreamingServer()
	bounded, cancel := withTimeout(ctx, cmd, !streams)
	defer cancel()
	err := call.Do(bounded, p)
	if streams && ctx.Err() != nil {
		return nil
	}
	return answered(bounded, cmd, err)
}

// withTimeout bounds a call by --timeout, or if it is to be bounded by the default.
func withTimeout(ctx context.Context, cmd *cli.Command, bound bool) (context.Context, context.CancelFunc) {
	if !bound && !cmd.IsSet(flagTimeout) {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout(cmd))
}

func timeout(cmd *cli.Command) time.Duration {
	if cmd.IsSet(flagTimeout) {
		return cmd.Duration(flagTimeout)
	}
	return client.DefaultTimeout
}
