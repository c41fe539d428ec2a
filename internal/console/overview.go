package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/page"
)

// instances is a table of them.
type instances struct {
	Rows    []row
	Pager   page.Pager
	Find    *page.Form // nil: there are few
	Says    string     // of all together
	Trouble string     // why the registry cannot be asked
}

// row is an instance.
type row struct {
	fleet.Instance

	Service string
	Pages   string // where its pages are; "": it has none
	Up      string // for how long
}

// look bounds what the first page waits for, where nothing is known yet.
const look = 2 * time.Second

func (c *console) overview(ctx context.Context, r *page.Request) (page.Content, error) {
	all := c.fleet.Services()
	var unknown error
	if len(all) == 0 {
		ctx, cancel := context.WithTimeout(ctx, look)
		defer cancel()
		unknown = c.fleet.Look(ctx)
		all = c.fleet.Services()
	}
	t := c.table(r, all)
	if unknown != nil && t.Trouble == "" {
		t.Trouble = "The registry has not answered yet."
	}
	if len(t.Rows) > few || r.Get(withText) != "" {
		t.Find = &page.Form{Method: "get", Action: "./", Submit: "Filter", Fields: []page.Field{{Name: withText, Label: "Has", Value: r.Get(withText)}}}
	}
	t.Rows = slices.DeleteFunc(t.Rows, func(i row) bool { return !i.has(r.Get(withText)) })
	t.Rows, t.Pager = page.Part(r, t.Rows, partSize)
	return page.Content{Title: "Services", Data: t}, nil
}

const (
	few      = 20  // instances that need no filter
	partSize = 200 // instances on a page
	withText = "q"
)

// has tells whether an instance is one of those that are looked for.
func (i row) has(text string) bool {
	return strings.Contains(strings.Join([]string{i.Service, i.Version, i.Address, i.State.String(), i.Why}, "\n"), text)
}

// table has the instances of services in the order that r asks for.
func (c *console) table(r *page.Request, all []fleet.Service) instances {
	t := instances{Says: says(all)}
	if err := c.fleet.Err(); err != nil {
		t.Trouble = err.Error()
	}
	known := pages(c.fleet.Services())
	for _, s := range all {
		for _, i := range s.Instances {
			one := row{Instance: i, Service: s.Name}
			if known[feature(s.Name)].Name == s.Name && hasPages(i) {
				one.Pages = "./" + url.PathEscape(feature(s.Name)+"@"+i.Address) + "/"
			}
			if !i.Started.IsZero() && i.State != fleet.Away {
				one.Up = page.Span(time.Since(i.Started).Truncate(time.Second))
			}
			t.Rows = append(t.Rows, one)
		}
	}
	page.Sort(r, t.Rows, page.Columns[row]{
		"service": func(a, b row) int { return strings.Compare(a.Service, b.Service) },
		"state":   func(a, b row) int { return cmp.Compare(a.State, b.State) },
		"since":   func(a, b row) int { return a.Started.Compare(b.Started) },
		"calls":   func(a, b row) int { return cmp.Compare(a.Load.Calls, b.Load.Calls) },
		"errors":  func(a, b row) int { return cmp.Compare(a.Load.Errors, b.Load.Errors) },
		"p50":     func(a, b row) int { return cmp.Compare(a.Load.P50, b.Load.P50) },
		"p99":     func(a, b row) int { return cmp.Compare(a.Load.P99, b.Load.P99) },
	}, "service")
	return t
}

// says sums up how services are.
func says(all []fleet.Service) string {
	counts := map[fleet.State]int{}
	n := 0
	for _, s := range all {
		for _, i := range s.Instances {
			counts[i.State]++
			n++
		}
	}
	parts := []string{plural(len(all), "service"), plural(n, "instance")}
	if counts[fleet.Ready] == n {
		return strings.Join(append(parts, "all ready"), ", ")
	}
	for _, s := range []fleet.State{fleet.Ready, fleet.Waiting, fleet.Away, fleet.Unknown} {
		if counts[s] > 0 {
			parts = append(parts, page.Count(int64(counts[s]))+" "+s.String())
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return page.Count(int64(n)) + " " + noun
}
