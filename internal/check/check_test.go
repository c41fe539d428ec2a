package check_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/check"
	"github.com/micro/platform/internal/rpcerr"
)

func TestChecks(t *testing.T) {
	for _, tt := range []struct {
		check func(*check.Checks)
		want  string // "": nothing is wrong
	}{
		{func(c *check.Checks) { c.Namespace("") }, ""},
		{func(c *check.Checks) { c.Namespace(strings.Repeat("z", 63)) }, ""},
		{func(c *check.Checks) { c.Namespace(strings.Repeat("z", 64)) }, `namespace: 64 bytes long, want 1 to 63 of a-z, 0-9 and -`},
		{func(c *check.Checks) { c.Namespace("a/b") }, `namespace: has '/', want 1 to 63 of a-z, 0-9 and -`},
		{func(c *check.Checks) { c.Namespace("*") }, `namespace: has '*', want 1 to 63 of a-z, 0-9 and -`},
		{func(c *check.Checks) { c.Namespace("\xff") }, "namespace: has '\uFFFD', want 1 to 63 of a-z, 0-9 and -"},
		{func(c *check.Checks) { c.Text("text", "\u00e4") }, ""},
		{func(c *check.Checks) { c.Text("text", "\xe4") }, `text: not UTF-8`},
		{func(c *check.Checks) { c.Length("text", "abc", 3) }, ""},
		{func(c *check.Checks) { c.Length("text", "abcd", 3) }, `text: 4 bytes long, want at most 3`},
		{func(c *check.Checks) { c.Length("text", "\xe4", 3) }, `text: not UTF-8`},
		{func(c *check.Checks) { c.Count("list", 3, 3) }, ""},
		{func(c *check.Checks) { c.Count("list", 4, 3) }, `list: 4 of them, want 1 to 3`},
		{func(c *check.Checks) { c.Count("list", 0, 3) }, `list: 0 of them, want 1 to 3`},
		{func(c *check.Checks) { c.PageSize(10, 10, 5) }, ""},
		{func(c *check.Checks) { c.PageSize(11, 10, 5) }, `page_size: 11, want 1 to 10, or 0 for 5`},
		{func(c *check.Checks) { c.PageSize(-1, 10, 5) }, `page_size: -1, want 1 to 10, or 0 for 5`},
		{func(c *check.Checks) { c.Count("list", 0, 3); c.Text("text", "\xff") }, `list: 0 of them, want 1 to 3`}, // the first
		{func(c *check.Checks) { c.List, c.Index = "list", 3; c.Text("text", "\xff") }, `list[3].text: not UTF-8`},
		{func(c *check.Checks) { c.List, c.Index = "list", 3; c.Text("", "\xff") }, `list[3]: not UTF-8`},
	} {
		var c check.Checks
		tt.check(&c)
		if tt.want == "" {
			if c.Err != nil {
				t.Errorf("got %v, want no complaint", c.Err)
			}
			continue
		}
		field, _, _ := strings.Cut(tt.want, ":")
		if got := rpcerr.From(c.Err); got == nil || got.Code != codes.InvalidArgument || got.Field != field || got.Message != tt.want {
			t.Errorf("got %v, want %s", c.Err, tt.want)
		}
	}

	var c check.Checks
	if got := c.Namespace(""); got != "default" {
		t.Errorf("no namespace: got %q, want default", got)
	}
	if got := c.Namespace("a-1"); got != "a-1" {
		t.Errorf("a namespace: got %q", got)
	}
	if zero, seven := c.PageSize(0, 10, 5), c.PageSize(7, 10, 5); zero != 5 || seven != 7 {
		t.Errorf("page size: got %d for 0 and %d for 7", zero, seven)
	}
}

func TestPageToken(t *testing.T) {
	list := check.Query{What: "this list", Words: []string{"things", "a", "b"}}
	all := func(string) bool { return true }
	const complaint = `page_token: not of this list, want next_page_token of the page before`
	for name, tt := range map[string]struct {
		token string
		may   func(string) bool
		want  string
		wrong bool
	}{
		"the first page":     {"", all, "", false},
		"a page":             {list.Token("last/\x00\xff"), all, "last/\x00\xff", false},
		"after nothing":      {list.Token(""), all, "", true},
		"what may not be":    {list.Token("last"), func(s string) bool { return s != "last" }, "", true},
		"not base64":         {"?", all, "", true},
		"too short":          {"AAAA", all, "", true},
		"of another list":    {check.Query{Words: []string{"things", "a", "c"}}.Token("last"), all, "", true},
		"of words like them": {check.Query{Words: []string{"things", "ab", ""}}.Token("last"), all, "", true},
	} {
		var c check.Checks
		got := c.PageToken(list, tt.token, tt.may)
		switch {
		case tt.wrong && (c.Err == nil || rpcerr.From(c.Err).Message != complaint):
			t.Errorf("%s: got %v, want %s", name, c.Err, complaint)
		case !tt.wrong && (c.Err != nil || got != tt.want):
			t.Errorf("%s: got %q, error %v, want %q", name, got, c.Err, tt.want)
		}
	}
}
