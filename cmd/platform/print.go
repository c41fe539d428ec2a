package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/micro/platform/internal/printable"
)

// json prints v: indented on a terminal, else in one line.
func (a *app) json(v any) {
	text := marshal(v)
	if a.stdoutTerminal {
		var b bytes.Buffer
		_ = json.Indent(&b, text, "", "  ") // fails on what is no JSON
		text = b.Bytes()
	}
	fmt.Fprintf(a.out, "%s\n", text)
}

// line prints v in one line.
func (a *app) line(v any) { fmt.Fprintf(a.out, "%s\n", marshal(v)) }

// marshal returns v, which is of a type of this package that always encodes, as JSON
// that a terminal shows as it stands.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return printable.JSON(bytes.TrimRight(b.Bytes(), "\n"))
}

// table prints rows below a header, aligned once it is flushed.
type table struct{ w *tabwriter.Writer }

func (a *app) table(header ...string) table { return newTable(a.out, header...) }

func newTable(w io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.w, strings.Join(header, "\t"))
	return t
}

// row prints cells, those that are not printable in quotes.
func (t table) row(cells ...string) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, printable.Cell(c))
	}
	fmt.Fprintln(t.w)
}

func (t table) flush() { _ = t.w.Flush() } // w has the error
