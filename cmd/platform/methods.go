package main

import (
	"encoding/json"
	"strings"

	"github.com/urfave/cli/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/micro/platform/internal/reflection"
)

// method finds a method of a service by what the user calls it.
func method(c *reflection.Contract, service, name string) (protoreflect.MethodDescriptor, error) {
	m, err := c.Method(name)
	if err != nil {
		return nil, usage("%v", err)
	}
	if m == nil {
		var have []string
		for _, m := range c.Methods() {
			have = append(have, c.Name(m))
		}
		return nil, usage("%s has no method %q%s (have %s)", service, name, didYouMean(name, have), strings.Join(have, ", "))
	}
	return m, nil
}

// methodRow is a method as JSON.
type methodRow struct {
	Method          string          `json:"method"`
	Path            string          `json:"path"`
	ClientStreaming bool            `json:"clientStreaming"`
	ServerStreaming bool            `json:"serverStreaming"`
	Request         json.RawMessage `json:"request"`
}

func (a *app) printMethods(cmd *cli.Command, c *reflection.Contract) {
	if asJSON(cmd) {
		rows := []methodRow{} // not null in JSON
		for _, m := range c.Methods() {
			rows = append(rows, methodRow{
				c.Name(m), reflection.Path(m), m.IsStreamingClient(), m.IsStreamingServer(),
				json.RawMessage(reflection.Skeleton(m.Input())),
			})
		}
		a.json(rows)
		return
	}
	t := a.table("METHOD", "KIND", "REQUEST")
	for _, m := range c.Methods() {
		t.row(c.Name(m), reflection.Kind(m), reflection.Skeleton(m.Input()))
	}
	t.flush()
}
