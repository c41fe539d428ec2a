package check

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A page token is what stands last on its page, behind a mark of the query, so that another
// query refuses it. It is no secret: who makes one up reads what its query may read
// anyway.
var tokenEncoding = base64.RawURLEncoding //nolint:gochecknoglobals // a constant

const markSize = 8

// Query is a list that has pages, told from others by its words.
type Query struct {
	What  string // for people: "this namespace and prefix"
	Words []string
}

// mark tells queries apart, whose words have no NUL.
func (q Query) mark() string {
	sum := sha256.Sum256([]byte(strings.Join(q.Words, "\x00")))
	return string(sum[:markSize])
}

// Token returns that of the page after what stands last.
func (q Query) Token(last string) string {
	return tokenEncoding.EncodeToString([]byte(q.mark() + last))
}

// PageToken returns what the page comes after, "" for the first page. It complains about a
// token of another query, and about what may is false for.
func (c *Checks) PageToken(q Query, token string, may func(last string) bool) string {
	if token == "" {
		return ""
	}
	b, err := tokenEncoding.DecodeString(token)
	last, ok := strings.CutPrefix(string(b), q.mark())
	if err != nil || !ok || last == "" || !may(last) {
		c.Fail("page_token", "not of %s, want next_page_token of the page before", q.What)
	}
	return last
}
