package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A page token is the last name of its page behind a mark of the query, so that another
// query refuses it. It is no secret: who makes one up reads what its query may read
// anyway.
var tokenEncoding = base64.RawURLEncoding //nolint:gochecknoglobals // a constant

const markSize = 8

// listed is what a page token goes on with: the items under a prefix of a namespace, or, as
// the zero value, the namespaces.
type listed struct{ namespace, prefix string }

// mark tells queries apart. A namespace has no NUL, and is not empty.
func (l listed) mark() string {
	sum := sha256.Sum256([]byte(l.namespace + "\x00" + l.prefix))
	return string(sum[:markSize])
}

func (l listed) String() string {
	if l.namespace == "" {
		return "ListNamespaces"
	}
	return "this namespace and prefix"
}

// has tells whether a name may be in the list.
func (l listed) has(name string) bool {
	var c checks
	if l.namespace == "" {
		c.namespace(name)
	}
	return name != "" && c.err == nil && strings.HasPrefix(name, l.prefix)
}

// after returns the token of the page after a name.
func (l listed) after(last string) string {
	return tokenEncoding.EncodeToString([]byte(l.mark() + last))
}

// pageToken returns the name that the page comes after, "" for the first page.
func (c *checks) pageToken(l listed, token string) string {
	if token == "" {
		return ""
	}
	b, err := tokenEncoding.DecodeString(token)
	last, ok := strings.CutPrefix(string(b), l.mark())
	if err != nil || !ok || !l.has(last) {
		c.fail("page_token", "not of %v, want next_page_token of the page before", l)
	}
	return last
}
