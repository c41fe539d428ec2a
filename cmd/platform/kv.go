package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
	merrors "go-micro.dev/v5/errors"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/kvclient"
)

const (
	flagNamespace = "namespace"
	flagTTL       = "ttl"
	flagIfVersion = "if-version"
	flagPrefix    = "prefix"
)

const kvHelp = `Reads and writes small values under string keys:

  platform kv put greeting hello --ttl 1m
  platform kv get greeting
  platform kv list user/ --output json
  platform kv watch user/
  platform kv namespaces
  platform kv hot --all
  platform kv ring --watch

In tables, a value or key that is not printable stands in quotes, escaped as in Go, and
a long value is cut. JSON has all of it, as "value" or, of what is no UTF-8, in base64 as
"valueBase64"; numbers of 64 bits are strings there, as in every JSON of protobuf.

` + exitHelp

func (a *app) kv() *cli.Command {
	return &cli.Command{
		Name:        "kv",
		Usage:       "read and write small values",
		Description: kvHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagNamespace, Aliases: []string{"n"}, Usage: "`NAMESPACE` of the keys (default: default)"},
			addressFlag(), timeoutFlag(),
		},
		Commands: []*cli.Command{a.kvGet(), a.kvPut(), a.kvDelete(), a.kvList(), a.kvWatch(), a.kvIncr(), a.kvTouch(), a.kvNamespaces(), a.kvHot(), a.kvRing()},
	}
}

// kvAction is what a command does with a client. It gets the arguments of the command.
type kvAction func(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, args []string) error

// withKV returns an action that does something with least to most arguments.
func (a *app) withKV(least, most int, oneCall bool, do kvAction) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		args, err := arguments(cmd, least, most)
		if err != nil {
			return err
		}
		return a.useKV(ctx, cmd, oneCall, func(ctx context.Context, kv *kvclient.Client) error { return do(ctx, cmd, kv, args) })
	}
}

// useKV does something within --timeout, or the default if it is one call.
func (a *app) useKV(ctx context.Context, cmd *cli.Command, oneCall bool, do func(context.Context, *kvclient.Client) error) error {
	addresses, err := a.addresses(ctx, cmd, kvclient.Service)
	if err != nil {
		return err
	}
	secure, err := a.secure(cmd)
	if err != nil {
		return err
	}
	bounded, cancel := withTimeout(ctx, cmd, oneCall)
	defer cancel()
	kv := kvclient.New(client.ByAddress(secure, a.log(), addresses...), kvclient.WithNamespace(cmd.String(flagNamespace)))
	return clientAnswered(bounded, cmd, do(bounded, kv))
}

// clientAnswered makes an *rpcerr.Error of what the client of a service has failed with,
// which says of what.
func clientAnswered(ctx context.Context, cmd *cli.Command, err error) error {
	e, ok := errors.AsType[*client.CallError](err)
	if !ok {
		return err
	}
	return late(ctx, cmd, rpcerr.From(&merrors.Error{Id: e.Reason, Status: e.Code, Detail: strings.TrimPrefix(e.Error(), e.Service+" ")}))
}

func ttlFlag(usage string) cli.Flag {
	return &cli.DurationFlag{Name: flagTTL, HideDefault: true, Usage: usage}
}

func ifVersionFlag() cli.Flag {
	return &cli.Uint64Flag{
		Name: flagIfVersion, HideDefault: true, Usage: "only if the item has this `VERSION`",
		Validator: func(v uint64) error {
			if v == 0 {
				return fmt.Errorf("no item has version 0")
			}
			return nil
		},
	}
}
