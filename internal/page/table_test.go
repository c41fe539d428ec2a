package page_test

import (
	"cmp"
	"context"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/page"
)

type row struct {
	name  string
	calls int
}

// table is a site with a table of rows, sorted by name if nothing else is asked for.
func table(t *testing.T, query string) (names, body string) {
	t.Helper()
	show := func(_ context.Context, r *page.Request) (page.Content, error) {
		rows := []row{{"b", 2}, {"a", 2}, {"d", 1}, {"c", 3}}
		page.Sort(r, rows, page.Columns[row]{
			"name":  func(a, b row) int { return cmp.Compare(a.name, b.name) },
			"calls": func(a, b row) int { return cmp.Compare(a.calls, b.calls) },
		}, "name")
		for _, r := range rows {
			names += r.name
		}
		return page.Content{Data: r.Pager(r.Get("more"))}, nil
	}
	h := serve(t, page.Config{Views: []page.View{{Name: "show", Show: show}}}, map[string]string{
		"show": `{{.Column "name" "<Name>" false}}{{.Column "calls" "Calls" true}}{{template "pager" .Data}}`,
	})
	_, body = get(t, h, "/show"+query, nil)
	_, body, _ = strings.Cut(body, "<h1>")
	return names, body
}

func TestSort(t *testing.T) {
	for query, want := range map[string]string{
		"": "abcd", "?sort=name": "abcd", "?sort=-name": "dcba", "?sort=calls": "dbac", "?sort=-calls": "cbad",
		"?sort=none": "abcd", "?sort=-none": "abcd", "?sort=--calls": "abcd", "?sort=-": "abcd", "?sort=%3Cscript%3E": "abcd",
	} {
		names, body := table(t, query)
		if names != want {
			t.Errorf("%s: got %s, want %s", query, names, want)
		}
		wantNot(t, body, "<script>")
	}
}

func TestPart(t *testing.T) {
	for query, want := range map[string]string{
		"": "ab next", "?after=2": "cd first next", "?after=4": "e first", "?after=5": " first",
		"?after=6": "ab first next", "?after=-1": "ab first next", "?after=x": "ab first next",
	} {
		var got string
		show := func(_ context.Context, r *page.Request) (page.Content, error) {
			part, pager := page.Part(r, []string{"a", "b", "c", "d", "e"}, 2)
			got = strings.Join(part, "")
			if pager.First != "" {
				got += " first"
			}
			if pager.Next != "" {
				got += " next"
			}
			return page.Content{}, nil
		}
		get(t, serve(t, page.Config{Views: []page.View{{Name: "show", Show: show}}}, map[string]string{"show": ""}), "/show"+query, nil)
		if got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestColumn(t *testing.T) {
	for query, want := range map[string][]string{
		"":                                {`<th scope="col" aria-sort="ascending"><a href="show?sort=-name" id="sort-name">&lt;Name&gt;↑</a></th>`, `<th scope="col" class="num"><a href="show?sort=-calls" id="sort-calls">Calls</a></th>`},
		"?sort=name&a=%22%3Cb%3E&after=x": {`<th scope="col" aria-sort="ascending"><a href="show?a=%22%3Cb%3E&amp;sort=-name" id="sort-name">&lt;Name&gt;↑</a></th>`},
		"?sort=-calls":                    {`<th scope="col" class="num" aria-sort="descending"><a href="show?sort=calls" id="sort-calls">Calls↓</a></th>`},
		"?sort=calls":                     {`<th scope="col" class="num" aria-sort="ascending"><a href="show?sort=-calls" id="sort-calls">Calls↑</a></th>`},
	} {
		_, body := table(t, query)
		wantHas(t, body, want...)
	}
}

func TestPager(t *testing.T) {
	links := func(query string) []string {
		_, body := table(t, query)
		var all []string
		for _, part := range strings.Split(body, `<a id="`)[1:] {
			attributes, _, _ := strings.Cut(part, ">")
			all = append(all, attributes)
		}
		return all
	}
	for query, want := range map[string][]string{
		"":                                   nil,
		"?more=t%2F%3D%26&a=b":               {`next" rel="next" href="show?a=b&amp;after=t%2F%3D%26&amp;more=t%2F%3D%26"`},
		"?after=x&a=b":                       {`first" href="show?a=b"`},
		"?after=%22%3E%3Cscript%3E&more=%22": {`first" href="show?more=%22"`, `next" rel="next" href="show?after=%22&amp;more=%22"`},
	} {
		if diff := gocmp.Diff(want, links(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
