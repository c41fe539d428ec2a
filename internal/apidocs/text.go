package apidocs

import (
	"html/template"
	"regexp"
	"strings"
)

// block is a paragraph or a list.
type block struct {
	Paragraph template.HTML
	Items     []template.HTML
}

// blocks are the paragraphs and lists of a description. self is what it describes.
func (t *types) blocks(text, self string) []block {
	var all []block
	for part := range strings.SplitSeq(text, "\n\n") {
		if part == "" {
			continue
		}
		if !strings.HasPrefix(part, "- ") {
			all = append(all, block{Paragraph: t.inline(part, self)})
			continue
		}
		var list block
		for line := range strings.SplitSeq(part, "\n") {
			list.Items = append(list.Items, t.inline(strings.TrimPrefix(line, "- "), self))
		}
		all = append(all, list)
	}
	return all
}

// marks are code, links, and words that may be names.
var marks = regexp.MustCompile("`([^`]+)`|\\[([^\\]]+)\\]\\((https://[^)\\s]+)\\)|\\b[A-Z]\\w*(\\.[A-Z]\\w*)*")

// inline is text with the Markdown that our documents have, and with links to what it
// names. It does not link to self.
func (t *types) inline(text, self string) template.HTML {
	return template.HTML(marks.ReplaceAllStringFunc(template.HTMLEscapeString(text), func(s string) string { //nolint:gosec // escaped
		m := marks.FindStringSubmatch(s)
		switch id := t.links[s]; {
		case m[1] != "":
			return "<code>" + m[1] + "</code>"
		case m[2] != "":
			return `<a href="` + m[3] + `">` + m[2] + "</a>"
		case id != "" && id != self:
			return `<a href="#` + id + `">` + s + "</a>"
		}
		return s
	}))
}
