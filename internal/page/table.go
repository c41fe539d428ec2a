package page

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The parameters of a list.
const (
	afterParam = "after" // where the page of it begins
	sortParam  = "sort"  // the column, with a dash before it for the largest first
)

// After is where the part of a list begins that r asks for: what a Pager said.
func (r *Request) After() string { return r.Get(afterParam) }

// Pager leads through a list.
type Pager struct{ First, Next string }

// Pager returns the links of a part of a list, of which the next begins at after; "" at
// the end of the list.
func (r *Request) Pager(after string) Pager {
	var p Pager
	if r.After() != "" {
		p.First = r.With(afterParam, "")
	}
	if after != "" {
		p.Next = r.With(afterParam, after)
	}
	return p
}

// Part returns the part of rows that r asks for, and the links to the others.
func Part[T any](r *Request, rows []T, size int) ([]T, Pager) {
	begin, err := strconv.Atoi(r.After())
	if err != nil || begin < 0 || begin > len(rows) {
		begin = 0
	}
	end, next := min(begin+size, len(rows)), ""
	if end < len(rows) {
		next = strconv.Itoa(end)
	}
	return rows[begin:end], r.Pager(next)
}

// Columns are how rows of a table may be ordered, by the names of the columns.
type Columns[T any] map[string]func(a, b T) int

// Sort orders rows by the column that r asks for, or by another: "-calls" is the most
// calls first.
func Sort[T any](r *Request, rows []T, columns Columns[T], otherwise string) {
	name, descending := strings.CutPrefix(cmp.Or(r.Get(sortParam), otherwise), "-")
	order, ok := columns[name]
	if !ok {
		name, descending = strings.CutPrefix(otherwise, "-")
		order = columns[name]
	}
	r.order = name
	if descending {
		r.order = "-" + name
	}
	slices.SortStableFunc(rows, func(a, b T) int {
		if descending {
			return order(b, a)
		}
		return order(a, b)
	})
}

// Column is the head of a column that rows can be ordered by. Numbers begin with the
// largest.
func (sc *scope) Column(name, text string, number bool) template.HTML {
	asked, descending := strings.CutPrefix(sc.order, "-")
	to, class, state, mark := name, "", "", ""
	if number {
		to, class = "-"+name, ` class="num"`
	}
	if asked == name {
		state, mark, to = "ascending", "↑", "-"+name
		if descending {
			state, mark, to = "descending", "↓", name
		}
		state = ` aria-sort="` + state + `"`
	}
	q := sc.URL.Query()
	q.Set(sortParam, to)
	q.Del(afterParam)
	u := url.URL{Path: sc.URL.Path, RawQuery: q.Encode()}
	return template.HTML(fmt.Sprintf(`<th scope="col"%s%s><a href="%s" id="sort-%s">%s%s</a></th>`, //nolint:gosec // escaped
		class, state, template.HTMLEscapeString(self(&u)), name, template.HTMLEscapeString(text), mark))
}
