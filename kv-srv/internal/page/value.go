package page

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/printable"
)

// The forms of a value.
const (
	asText = "text"
	asJSON = "json"
	asHex  = "hex"
	asFile = "file" // too large to edit
)

// What a page shows of a value at most; all of it is in the file.
const (
	maxText = 64 << 10
	maxHex  = 16 << 10
)

// rendition is a value for the eye.
type rendition struct {
	As    string
	Text  string
	Shown int64 // bytes of the value
	Whole bool
}

// forms returns how a value can be shown, the best first.
func forms(value []byte) []string {
	switch {
	case !printable.Text(strings.ReplaceAll(string(value), "\r\n", "\n")):
		return []string{asHex, asText}
	case len(value) > 1 && json.Valid(value):
		return []string{asJSON, asText, asHex}
	}
	return []string{asText, asHex}
}

func render(value []byte, as string) rendition {
	all := forms(value)
	if as != asHex && as != asText && (as != asJSON || all[0] != asJSON) {
		as = all[0]
	}
	switch as {
	case asHex:
		shown := value[:min(len(value), maxHex)]
		return rendition{as, strings.TrimSuffix(hex.Dump(shown), "\n"), int64(len(shown)), len(shown) == len(value)}
	case asJSON:
		var b bytes.Buffer
		if json.Indent(&b, value, "", "  ") == nil && b.Len() <= 2*maxText {
			return rendition{as, b.String(), int64(len(value)), true}
		}
	}
	shown := page.Cut(string(value), maxText)
	return rendition{as, shown, int64(len(shown)), len(shown) == len(value)}
}
