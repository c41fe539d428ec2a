package handler

import (
	"strings"

	"github.com/micro/platform/internal/check"
)

// listed is what a page token goes on with: the items under a prefix of a namespace, or, as
// the zero value, the namespaces.
type listed struct{ namespace, prefix string }

func (l listed) query() check.Query {
	if l.namespace == "" {
		return check.Query{What: "ListNamespaces"}
	}
	return check.Query{What: "this namespace and prefix", Words: []string{l.namespace, l.prefix}}
}

// has tells whether a name may be in the list.
func (l listed) has(name string) bool {
	var c checks
	if l.namespace == "" {
		c.Namespace(name)
	}
	return c.Err == nil && strings.HasPrefix(name, l.prefix)
}

// after returns the token of the page after a name.
func (l listed) after(last string) string { return l.query().Token(last) }

// pageToken returns the name that the page comes after, "" for the first page.
func (c *checks) pageToken(l listed, token string) string {
	return c.PageToken(l.query(), token, l.has)
}
