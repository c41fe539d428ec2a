// Package scenario plays what applications do with a running kv-srv, or with the
// service of tests/echo, through the client of whichever version of go-micro.
package scenario

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
)

// A Client is a go-micro client with its default options. Several goroutines may use
// it at once.
type Client interface {
	// Call returns a refusal as an *Error.
	Call(context.Context, Request, proto.Message) error

	// Stream opens a stream as generated code does: with an empty request, then the
	// request itself.
	Stream(context.Context, Request) (Stream, error)
}

// A Request is what a Client sends.
type Request struct {
	Service     string            // "kv-srv"
	Endpoint    string            // "KV.Get"
	ContentType string            // empty: the client's default
	Header      map[string]string // go-micro metadata
	Body        proto.Message
}

// Empty returns an empty message of the type of the body.
func (r Request) Empty() proto.Message { return r.Body.ProtoReflect().New().Interface() }

// A Stream is the part of go-micro's client.Stream that is the same in all versions.
type Stream interface {
	Send(any) error
	Recv(any) error
	Close() error
}

// An Error is go-micro's errors.Error, which each version has its own type of.
type Error struct {
	ID     string
	Code   int32
	Detail string
	Status string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d %s (%s): %s", e.Code, e.Status, e.ID, e.Detail)
}

// A Target is where a Client calls.
type Target struct {
	Address string // host:port
	MDNS    bool   // look services up; then Address, if not empty, is the only node to use

	Attempt func() // told of each attempt of a unary call, retries too
}

// A Kind is one of the clients that a version of go-micro has.
type Kind struct {
	Name string // "mucp", "grpc"
	New  func(Target) Client

	// Skip says of scenarios which this client cannot play why it can't.
	Skip map[string]string
}

// Main plays the scenarios that the flags name, prints a line for each, and exits with
// 1 if one failed. Of the kinds the first is the default.
func Main(kinds ...Kind) {
	p := &player{}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	kind := flag.String("client", names[0], strings.Join(names, " or "))
	address := flag.String("address", "", "host:port to call; with -registry the only one of those found there")
	registry := flag.String("registry", "", "mdns: call what is registered there")
	wanted := flag.String("scenario", "all", "which, with commas between: "+strings.Join(scenarioNames(), ", ")+
		"; all: those of kv-srv; echo: those of tests/echo")
	timeout := flag.Duration("timeout", 2*time.Minute, "of one scenario")
	flag.IntVar(&p.calls, "calls", 20000, "how many calls the scenario calls makes")
	flag.IntVar(&p.messages, "messages", 5000, "how many messages the scenario stream awaits")
	flag.StringVar(&p.refusals, "refusals", "", "JSON file of more that the scenario errors has refused")
	flag.IntVar(&p.leave, "leave", 20, "how many streams the scenario leave opens")
	flag.Parse()

	i := slices.Index(names, *kind)
	switch {
	case flag.NArg() > 0:
		usagef("unexpected %q", flag.Arg(0))
	case i < 0:
		usagef("-client: no %q", *kind)
	case *registry != "" && *registry != "mdns":
		usagef("-registry: only mdns")
	case *registry == "" && *address == "":
		usagef("-address or -registry mdns is needed")
	case p.calls < 1:
		usagef("-calls: at least 1")
	}
	chosen, err := choose(*wanted)
	if err != nil {
		usagef("-scenario: %v", err)
	}

	p.client = kinds[i].New(Target{Address: *address, MDNS: *registry != "", Attempt: func() { p.attempts.Add(1) }})
	if !p.play(chosen, *timeout, kinds[i].Skip) {
		os.Exit(1)
	}
}

func usagef(format string, args ...any) {
	fmt.Fprintf(flag.CommandLine.Output(), format+"\n", args...)
	flag.Usage()
	os.Exit(2)
}

// choose returns the scenarios of a list of names, in the order of play.
func choose(list string) ([]scenario, error) {
	names := strings.Split(list, ",")
	for _, n := range names {
		if n != "all" && n != "echo" && !slices.Contains(scenarioNames(), n) {
			return nil, fmt.Errorf("no %q", n)
		}
	}
	var chosen []scenario
	for _, s := range scenarios {
		if slices.Contains(names, s.name) || slices.Contains(names, "all") && !s.echo || slices.Contains(names, "echo") && s.echo {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// play prints a line for each scenario, and reports whether none failed.
func (p *player) play(chosen []scenario, timeout time.Duration, skip map[string]string) bool {
	good := true
	for _, s := range chosen {
		if why := skip[s.name]; why != "" {
			fmt.Println("skip", s.name, why)
			continue
		}
		for _, contentType := range s.contentTypes() {
			line := s.name
			if s.everyEncoding {
				line += "[" + cmp.Or(strings.TrimPrefix(contentType, "application/"), "default") + "]"
			}
			figures, err := p.playOne(s, contentType, timeout)
			if err != nil {
				good = false
				fmt.Println("FAIL", line, strings.ReplaceAll(err.Error(), "\n", "; "))
				if errors.Is(err, errLate) {
					return false // what hangs would disturb the next
				}
				continue
			}
			fmt.Println("ok", line, figures)
		}
	}
	return good
}

var errLate = errors.New("the time is over")

// playOne gives up on a scenario whose time is over: old clients don't look at the
// context everywhere.
func (p *player) playOne(s scenario, contentType string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	type result struct {
		figures string
		err     error
	}
	done := make(chan result, 1)
	start := time.Now()
	go func() {
		figures, err := s.in(ctx, p, contentType)
		done <- result{figures, err}
	}()
	select {
	case r := <-done:
		r.figures = strings.TrimSpace(fmt.Sprintf("%s in %v", r.figures, time.Since(start).Round(time.Millisecond)))
		return r.figures, r.err
	case <-ctx.Done():
		return "", fmt.Errorf("not done within %v: %w", timeout, errLate)
	}
}

// A player plays scenarios.
type player struct {
	client                 Client
	calls, messages, leave int // how many of each
	refusals               string
	attempts               atomic.Int64
}
