package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/reflection"
	"github.com/micro/platform/internal/rpcerr"
)

// What a call from a page may take, and what of its answer is shown.
const (
	callTimeout   = 10 * time.Second
	streamTimeout = 5 * time.Second // then the page ends a stream
	maxMessages   = 100             // of an answer
	maxRequests   = 1000
	maxShown      = 256 << 10 // bytes
)

// calling is the page of a method.
type calling struct {
	Service, Method, Kind string
	Form                  page.Form
	Command               string // that does the same
	Answer                *answer
}

// answer is what became of a call.
type answer struct {
	Messages []string
	Error    *rpcerr.Error
	Ended    string // why there may be more messages
	Took     time.Duration
	Address  string
}

// form is what a method is called with.
func (c *console) form(ctx context.Context, r *page.Request) (page.Content, error) {
	s, contract, m, err := c.method(ctx, r)
	if err != nil {
		return page.Content{}, err
	}
	return content(calling{
		Service: s.Name, Method: contract.Name(m), Kind: reflection.Kind(m),
		Form: callForm(r, s, cmp.Or(r.Get(ofRequest), indented([]byte(reflection.Skeleton(m.Input()))))),
	}), nil
}

func content(a calling) page.Content {
	a.Command = fmt.Sprintf("platform call %s %s REQUEST", a.Service, a.Method)
	return page.Content{Title: a.Method, Crumbs: crumbs(page.Link{Href: page.To("service", ofName, a.Service), Text: a.Service}), Data: a}
}

// method finds what the page is about.
func (c *console) method(ctx context.Context, r *page.Request) (s fleet.Service, contract *reflection.Contract, m protoreflect.MethodDescriptor, err error) {
	if s, err = c.find(r.Get(ofService)); err != nil {
		return s, nil, nil, err
	}
	if contract, err = c.contract(ctx, s, r.Get(atAddress)); err != nil {
		return s, nil, nil, err
	}
	if m, err = contract.Method(r.Get(ofMethod)); err != nil {
		return s, nil, nil, rpcerr.Invalid(ofMethod, "%v", err)
	}
	if m == nil {
		err = rpcerr.New(codes.NotFound, "console.no_method", "%s has no method %q", s.Name, page.Cut(r.Get(ofMethod), 200))
	}
	return s, contract, m, err
}

func callForm(r *page.Request, s fleet.Service, request string) page.Form {
	anyone := page.Option{Value: "", Text: "one that is ready"}
	where := page.Field{Name: ofInstance, Label: "Instance", Kind: "select", Value: r.Get(atAddress), Options: []page.Option{anyone}}
	for _, i := range s.Instances {
		where.Options = append(where.Options, page.Option{Value: i.Address, Text: i.Address + ", " + i.State.String()})
	}
	return page.Form{Action: page.To("call", ofService, s.Name, ofMethod, r.Get(ofMethod)), Submit: "Call", Fields: []page.Field{
		{Name: ofRequest, Label: "Request", Kind: "area", Rows: 10, Code: true, Value: request, Help: "JSON; for a method that takes a stream, one message after the other."},
		where,
	}}
}

// call makes the call that the form asks for, and shows its answer below the form.
func (c *console) call(ctx context.Context, r *page.Request) (page.Content, error) {
	s, contract, m, err := c.method(ctx, r)
	if err != nil {
		return page.Content{}, err
	}
	text, at := strings.ReplaceAll(r.Field(ofRequest), "\r\n", "\n"), r.Field(ofInstance)
	a := calling{Service: s.Name, Method: contract.Name(m), Kind: reflection.Kind(m), Form: callForm(r, s, text)}
	for i := range a.Form.Fields {
		if a.Form.Fields[i].Name == ofInstance {
			a.Form.Fields[i].Value = at
		}
	}
	requests, err := read(contract, m, text)
	if err == nil {
		a.Answer, err = c.invoke(ctx, s, at, m, requests)
	}
	if err != nil {
		if !a.Form.Fail(err) {
			return page.Content{}, err
		}
		p := content(a)
		p.Status = rpcerr.HTTP(rpcerr.Code(err))
		return p, nil
	}
	return content(a), nil
}

// read reads the messages of a request: one, unless the method takes a stream.
func read(contract *reflection.Contract, m protoreflect.MethodDescriptor, text string) ([]proto.Message, error) {
	var all []proto.Message
	if strings.TrimSpace(text) == "" && !m.IsStreamingClient() {
		text = "{}"
	}
	in := json.NewDecoder(strings.NewReader(text))
	for {
		var raw json.RawMessage
		err := in.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, rpcerr.Invalid(ofRequest, "not JSON: %v", err)
		}
		msg, err := contract.Request(m, raw)
		switch {
		case err != nil:
			return nil, rpcerr.Invalid(ofRequest, "%v", err)
		case len(all) == 1 && !m.IsStreamingClient():
			return nil, rpcerr.Invalid(ofRequest, "there is more than one message, the method takes one")
		case len(all) == maxRequests:
			return nil, rpcerr.Invalid(ofRequest, "there are more than %d messages: use a terminal", maxRequests)
		}
		all = append(all, msg)
	}
}

// errShown ends a stream of which enough has come.
var errShown = errors.New("enough is shown")

// invoke makes a call to an instance: that at an address, or one that is ready.
func (c *console) invoke(ctx context.Context, s fleet.Service, address string, m protoreflect.MethodDescriptor, requests []proto.Message) (*answer, error) {
	i, err := choose(s, address)
	if err != nil {
		return nil, err
	}
	p, err := c.dial(ctx, i.Address)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	streams := m.IsStreamingClient() || m.IsStreamingServer()
	ctx, cancel := patience(ctx, streams)
	defer cancel()
	a := &answer{Address: i.Address}
	shown := 0
	one := reflection.Call{
		Method: m,
		Next: func() (proto.Message, error) {
			if len(requests) == 0 {
				return nil, io.EOF
			}
			var next proto.Message
			next, requests = requests[0], requests[1:]
			return next, nil
		},
		Emit: func(rsp proto.Message) error {
			b, err := p.JSON(rsp)
			if err != nil {
				return err
			}
			text := indented(b)
			a.Messages = append(a.Messages, strings.Clone(page.Cut(text, maxShown-shown)))
			if shown += len(text); len(a.Messages) >= maxMessages || shown >= maxShown {
				return errShown
			}
			return nil
		},
	}
	begun := time.Now()
	err = one.Do(ctx, p)
	a.Took = time.Since(begun)
	switch {
	case errors.Is(err, errShown) && (streams || shown > maxShown):
		a.Ended = "There may be more: the page has ended the call."
	case errors.Is(err, errShown):
	case streams && ctx.Err() != nil:
		a.Ended = fmt.Sprintf("The page has ended the stream after %s.", page.Span(streamTimeout))
	case err != nil:
		a.Error = answered(err)
	}
	return a, nil
}

// patience bounds a call. A service is told of the deadline of a unary call alone: it
// could end a stream by that a moment before the page does.
func patience(ctx context.Context, streams bool) (context.Context, context.CancelFunc) {
	if !streams {
		return context.WithTimeout(ctx, callTimeout)
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(streamTimeout, cancel)
	return ctx, func() {
		timer.Stop()
		cancel()
	}
}

// indented is JSON for people, unless it is so deep that most of it would be spaces.
func indented(b []byte) string {
	var out bytes.Buffer
	if deep(b) || json.Indent(&out, b, "", "  ") != nil {
		return string(printable.JSON(b))
	}
	return string(printable.JSON(slices.Clip(out.Bytes())))
}

// deep tells whether JSON is nested more than people can read.
func deep(b []byte) bool {
	const most = 50
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
