// Package printable makes text of others safe to write to a terminal, where control
// characters move the cursor, change what stands there, or answer for the user.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Cell returns s for one cell of a table: as it stands, or in Go's quotes where it is
// empty, has control or formatting characters, begins with a quote or begins or ends
// with a space.
func Cell(s string) string {
	if s == "" || s[0] == '"' || s != strings.TrimSpace(s) || !printable(s, "") {
		return strconv.Quote(s)
	}
	return s
}

// Text tells whether a terminal shows s as it stands: it is UTF-8 and has no control
// or formatting characters but tabs and newlines.
func Text(s string) bool { return printable(s, "\n\t") }

func printable(s, besides string) bool {
	for i, r := range s {
		if r == utf8.RuneError && isByte(s[i:]) || !unicode.IsPrint(r) && !strings.ContainsRune(besides, r) {
			return false
		}
	}
	return true
}

// isByte tells whether s begins with a byte that is not UTF-8.
func isByte(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size == 1
}

// Lines returns s with its control and formatting characters but newlines escaped.
func Lines(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n', unicode.IsPrint(r) && (r != utf8.RuneError || !isByte(s[i:])):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// JSON returns the same JSON with the control and formatting characters in its strings
// escaped.
func JSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == '\n' || unicode.IsPrint(r) {
			out = append(out, text[:size]...)
		} else {
			out = append(out, escape(r)...)
		}
		text = text[size:]
	}
	return out
}

// escape is r as JSON, Go and most others write it.
func escape(r rune) string {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
