package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvNamespaces() *cli.Command {
	return &cli.Command{
		Name: "namespaces", Usage: "list the namespaces, where they are and what they hold",
		Description: "Has those that hold items, and those that the settings of the service name. A figure that the\nbackend cannot tell is -, and not there in JSON.",
		Action:      a.withKV(0, 0, false, a.runKVNamespaces),
	}
}

func (a *app) runKVNamespaces(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, _ []string) error {
	var out namespaceListing = &jsonNamespaces{app: a}
	if !asJSON(cmd) {
		out = &tableNamespaces{table: a.table("NAMESPACE", "BACKEND", "KEYS", "BYTES")}
	}
	var unlisted string
	for n, err := range kv.Namespaces(ctx, kvclient.SaveUnlisted(&unlisted)) {
		if err != nil {
			return err
		}
		out.namespace(n)
	}
	out.end(unlisted)
	if unlisted != "" {
		fmt.Fprintf(a.stderr, "%s cannot list namespaces: it may have others.\n", unlisted)
	}
	return nil
}

// namespaceListing prints namespaces, however many there are: it holds a part of them at
// most.
type namespaceListing interface {
	namespace(n kvclient.Namespace)
	end(unlisted string)
}

// tableNamespaces has a row for each namespace. It aligns a thousand at a time.
type tableNamespaces struct {
	table
	rows int
}

func (l *tableNamespaces) namespace(n kvclient.Namespace) {
	l.row(n.Name, n.Backend, figure(n.Keys), figure(n.Bytes))
	if l.rows++; l.rows%1000 == 0 {
		l.flush()
	}
}

func (l *tableNamespaces) end(string) { l.flush() }

// figure is - where it is not known.
func figure(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// jsonNamespaces is one document with a namespace on each line.
type jsonNamespaces struct {
	*app
	rows int
}

func (l *jsonNamespaces) namespace(n kvclient.Namespace) {
	before := ","
	if l.rows++; l.rows == 1 {
		before = `{"namespaces":[`
	}
	row := struct {
		Name    string `json:"name"`
		Backend string `json:"backend"`
		Keys    *int64 `json:"keys,string,omitempty"`
		Bytes   *int64 `json:"bytes,string,omitempty"`
	}{n.Name, n.Backend, known(n.Keys), known(n.Bytes)}
	fmt.Fprintf(l.out, "%s\n%s", before, marshal(row))
}

func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (l *jsonNamespaces) end(unlisted string) {
	if l.rows == 0 {
		fmt.Fprint(l.out, `{"namespaces":[`)
	} else {
		fmt.Fprintln(l.out)
	}
	fmt.Fprint(l.out, "]")
	if unlisted != "" {
		fmt.Fprintf(l.out, `,"unlistedBackend":%s`, marshal(unlisted))
	}
	fmt.Fprintln(l.out, "}")
}
