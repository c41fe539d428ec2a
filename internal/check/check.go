// Package check reads the fields of a request that services have in common, and says what
// is wrong with one.
package check

import (
	"fmt"
	"unicode/utf8"

	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
)

// Checks reads the fields of one request. What it returns counts only while Err is nil; Err
// is the first complaint. The zero value is ready.
type Checks struct {
	Err error

	// List is what the fields are elements of, such as "writes", and Index which one. "":
	// they are of the request.
	List  string
	Index int
}

// Fail notes a complaint. The field may be empty for an element that has none.
func (c *Checks) Fail(field, format string, args ...any) {
	if c.Err != nil {
		return
	}
	switch {
	case c.List == "":
	case field == "":
		field = fmt.Sprintf("%s[%d]", c.List, c.Index)
	default:
		field = fmt.Sprintf("%s[%d].%s", c.List, c.Index, field)
	}
	c.Err = rpcerr.Invalid(field, format, args...)
}

// MaxNamespace is how many bytes the name of a namespace has at most.
const MaxNamespace = 63

// Namespace returns the namespace that a caller means by s.
func (c *Checks) Namespace(s string) string {
	if s == "" {
		return resource.DefaultNamespace
	}
	const want = "want 1 to 63 of a-z, 0-9 and -"
	if len(s) > MaxNamespace {
		c.Fail("namespace", "%d bytes long, %s", len(s), want)
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			c.Fail("namespace", "has %q, %s", r, want)
		}
	}
	return s
}

// Text complains about what is not UTF-8: no door but protobuf's has looked.
func (c *Checks) Text(field, s string) {
	if !utf8.ValidString(s) {
		c.Fail(field, "not UTF-8")
	}
}

// Length complains about a text that is too long, or not UTF-8.
func (c *Checks) Length(field, s string, most int) string {
	if len(s) > most {
		c.Fail(field, "%d bytes long, want at most %d", len(s), most)
	}
	c.Text(field, s)
	return s
}

// Count complains about a list that is empty or too long.
func (c *Checks) Count(list string, n, most int) {
	if n < 1 || n > most {
		c.Fail(list, "%d of them, want 1 to %d", n, most)
	}
}

// PageSize returns how many a page is to have: as asked, or as usual for 0.
func (c *Checks) PageSize(n int32, most, usual int) int {
	if n < 0 || int(n) > most {
		c.Fail("page_size", "%d, want 1 to %d, or 0 for %d", n, most, usual)
	}
	if n == 0 {
		return usual
	}
	return int(n)
}
