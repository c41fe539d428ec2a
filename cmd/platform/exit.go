package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/rpcerr"
)

// The exit codes besides 0, for scripts.
const (
	exitFailure     = host.ExitFailure
	exitUsage       = host.ExitUsage
	exitNotFound    = 3
	exitConflict    = 4
	exitDenied      = 5
	exitUnavailable = 6
	exitInvalid     = 7
	exitInterrupted = host.ExitInterrupted
)

const exitHelp = `Exit codes:
  0    done; a stream or serve that you end with Ctrl-C is done, too
  1    any other failure
  2    a wrong flag, argument, request or setting: nothing was done
  3    not_found
  4    already_exists, aborted: somebody else was first
  5    unauthenticated, permission_denied
  6    unavailable, deadline_exceeded: could not tell
  7    invalid_argument, failed_precondition, out_of_range
  130  interrupted by Ctrl-C`

// usageError is a command line that is wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// usage returns an error that exits with 2.
func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errShown ends a command that has printed what it was asked for.
var errShown = errors.New("shown")

// exit tells err and returns the code that it means.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil || errors.Is(err, errShown) {
		return 0
	}
	text := strings.ReplaceAll(printable.Lines(describe(err)), "\n", "\n       ")
	fmt.Fprintln(a.stderr, "error:", text)
	return exitCode(ctx, err)
}

// describe is err for people: of what a service has answered its code, its reason and
// its message.
func describe(err error) string {
	e, ok := errors.AsType[*rpcerr.Error](err)
	if !ok {
		return err.Error()
	}
	text := rpcerr.Name(e.Code)
	if e.Reason != "" && e.Reason != text {
		text += " (" + e.Reason + ")"
	}
	text += ": " + e.Message
	if cause := e.Unwrap(); cause != nil {
		text += " (" + cause.Error() + ")"
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (try again in %s)", e.RetryAfter)
	}
	return strings.Replace(err.Error(), e.Error(), text, 1)
}

func exitCode(ctx context.Context, err error) int {
	var wrong *usageError
	var setting *host.ConfigError
	if errors.As(err, &wrong) || errors.As(err, &setting) {
		return exitUsage
	}
	code := codes.Unknown
	if e, ok := errors.AsType[*rpcerr.Error](err); ok {
		code = e.Code
	}
	switch code {
	case codes.NotFound:
		return exitNotFound
	case codes.AlreadyExists, codes.Aborted:
		return exitConflict
	case codes.Unauthenticated, codes.PermissionDenied:
		return exitDenied
	case codes.Unavailable, codes.DeadlineExceeded:
		return exitUnavailable
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return exitInvalid
	}
	if ctx.Err() != nil && (code == codes.Canceled || errors.Is(err, errInterrupted)) {
		return exitInterrupted
	}
	return exitFailure
}
