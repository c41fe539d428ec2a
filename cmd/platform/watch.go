package main

import (
	"context"
	"errors"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/fleet"
)

// watched is the fleet that a command watches.
type watched struct {
	*fleet.Fleet

	changed   <-chan struct{}
	directory *directory
}

// known waits until the registry was asked once, and returns false if ctx ends before.
func (w watched) known(ctx context.Context) bool {
	for w.Services() == nil {
		select {
		case <-w.changed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// watch runs show while a fleet is looked at every second. That the user ends it is no
// failure.
func (a *app) watch(ctx context.Context, cmd *cli.Command, show func(context.Context, *cli.Command, watched) error) error {
	secure, err := a.secure(cmd)
	if err != nil {
		return err
	}
	d, err := a.directory(ctx, cmd)
	if err != nil {
		return err
	}
	f := fleet.New(fleet.Config{Registry: d, Secure: secure, Log: a.log()})
	changed, release := f.Watch()
	defer release()
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f.Run(running) }()
	err = show(ctx, cmd, watched{f, changed, d})
	stop()
	if a.registry == nil {
		err = errors.Join(err, d.close()) // ends what Run asks of it
	}
	return errors.Join(err, <-done)
}

// close ends what the registry has begun, if it can.
func (d *directory) close() error {
	if c, ok := d.Registry.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
