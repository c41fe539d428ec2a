package page

import (
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/micro/platform/internal/printable"
)

// Text shows text of others, in one line, as what it is: what no screen shows, or what
// would reorder its surroundings, is escaped and marked. At most bytes of it are shown;
// 0: all.
func Text(s string, most int) template.HTML {
	return isolated(Cut(s, most), most > 0 && len(s) > most, strange)
}

// Lines is Text of more than one line.
func Lines(s string) template.HTML {
	return isolated(s, false, func(r rune) bool { return r != '\n' && r != '\t' && strange(r) })
}

func isolated(shown string, more bool, strange func(rune) bool) template.HTML {
	var b strings.Builder
	b.WriteString("<bdi>")
	for len(shown) > 0 {
		n := strings.IndexFunc(shown, strange)
		if n < 0 {
			n = len(shown)
		}
		b.WriteString(template.HTMLEscapeString(shown[:n]))
		shown = shown[n:]
		if shown == "" {
			break
		}
		_, size := utf8.DecodeRuneInString(shown)
		b.WriteString(`<span class="esc">` + template.HTMLEscapeString(plain(shown[:size])) + `</span>`)
		shown = shown[size:]
	}
	b.WriteString("</bdi>")
	if more {
		b.WriteString(`<span class="esc">…</span>`)
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// strange tells what is not shown as it stands. A byte that is no UTF-8 is found as
// utf8.RuneError.
func strange(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// plain is Text where there is no markup.
func plain(s string) string { return strings.ReplaceAll(printable.Lines(s), "\n", `\n`) }

// Cut returns what begins s: at most bytes, and no part of a rune. 0: all.
func Cut(s string, most int) string {
	if most <= 0 || len(s) <= most {
		return s
	}
	end := most
	for end > max(0, most-utf8.UTFMax) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
