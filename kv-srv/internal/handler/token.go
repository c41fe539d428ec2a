package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A page token is the last key of its page behind a mark of the query, so that another
// query refuses it. It is no secret: who makes one up reads what its query may read
// anyway.
var tokenEncoding = base64.RawURLEncoding //nolint:gochecknoglobals // a constant

const markSize = 8

// mark tells queries apart. A namespace has no NUL.
func mark(namespace, prefix string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + prefix))
	return string(sum[:markSize])
}

func pageToken(namespace, prefix, last string) string {
	return tokenEncoding.EncodeToString([]byte(mark(namespace, prefix) + last))
}

// pageToken returns the key that the page comes after, "" for the first page.
func (c *checks) pageToken(namespace, prefix, token string) string {
	if token == "" {
		return ""
	}
	b, err := tokenEncoding.DecodeString(token)
	last, ok := strings.CutPrefix(string(b), mark(namespace, prefix))
	if err != nil || !ok || last == "" || !strings.HasPrefix(last, prefix) {
		c.fail("page_token", "not of this namespace and prefix, want next_page_token of the page before")
	}
	return last
}
