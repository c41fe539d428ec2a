package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/kv-srv/kvclient"
)

// listing prints a list of any length: it holds a part of it at most.
type listing interface {
	item(i kvclient.Item, version uint64)
	end(version uint64)
}

// keyListing has a key on each line.
type keyListing struct{ *app }

func (l keyListing) item(i kvclient.Item, _ uint64) { fmt.Fprintln(l.out, printable.Cell(i.Key)) }
func (l keyListing) end(uint64)                     {}

// tableListing has a row for each item. It aligns a thousand at a time.
type tableListing struct {
	table
	rows int
}

func (l *tableListing) item(i kvclient.Item, _ uint64) {
	fmt.Fprintln(l.w, tableItem(i))
	if l.rows++; l.rows%1000 == 0 {
		l.flush()
	}
}

func (l *tableListing) end(uint64) { l.flush() }

// tableItem is the row of an item.
func tableItem(i kvclient.Item) string {
	expires := "never"
	if !i.Expires.IsZero() {
		expires = i.Expires.UTC().Format(time.RFC3339)
	}
	return strings.Join([]string{printable.Cell(i.Key), strconv.FormatUint(i.Version, 10), expires, cut(i.Value)}, "\t")
}

// cut is a value for a cell: no more than its first letters.
func cut(value []byte) string {
	const most = 60 // bytes
	if len(value) <= most {
		return printable.Cell(string(value))
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(value[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d bytes)", printable.Cell(string(value[:end])), len(value))
}

// jsonListing is one document with an item on each line.
type jsonListing struct {
	*app
	values bool
	begun  bool
}

func (l *jsonListing) begin(version uint64) {
	if !l.begun {
		l.begun = true
		fmt.Fprintf(l.out, `{"version":"%d","items":[`, version)
	}
}

func (l *jsonListing) item(i kvclient.Item, version uint64) {
	comma := ","
	if !l.begun {
		comma = ""
	}
	l.begin(version)
	fmt.Fprintf(l.out, "%s\n%s", comma, marshal(newJSONItem(i, l.values)))
}

func (l *jsonListing) end(version uint64) {
	empty := !l.begun
	l.begin(version)
	if !empty {
		fmt.Fprintln(l.out)
	}
	fmt.Fprintln(l.out, "]}")
}

// jsonItem is an item as JSON.
type jsonItem struct {
	Key         string            `json:"key"`
	Value       *string           `json:"value,omitempty"`
	ValueBase64 []byte            `json:"valueBase64,omitempty"`
	Version     uint64            `json:"version,string"`
	UpdateTime  time.Time         `json:"updateTime,omitzero"`
	ExpireTime  time.Time         `json:"expireTime,omitzero"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// newJSONItem returns i with its value or without.
func newJSONItem(i kvclient.Item, value bool) jsonItem {
	j := jsonItem{Key: i.Key, Version: i.Version, UpdateTime: i.Updated, ExpireTime: i.Expires, Metadata: i.Metadata}
	switch {
	case !value:
	case utf8.Valid(i.Value):
		text := string(i.Value)
		j.Value = &text
	default:
		j.ValueBase64 = i.Value
	}
	return j
}
