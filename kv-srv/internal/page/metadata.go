package page

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/rpcerr"
)

// pair is one of an item's metadata.
type pair struct{ Name, Value string }

func pairs(m map[string]string) []pair {
	all := make([]pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, pair{name, m[name]})
	}
	return all
}

// metadataText is a line name=value for each pair, or JSON where lines could not be read
// back.
func metadataText(m map[string]string) string {
	var b strings.Builder
	for _, p := range pairs(m) {
		line := p.Name + "=" + p.Value
		if strings.Contains(p.Name, "=") || strings.TrimSpace(line) != line || strings.ContainsAny(line, "\n\t") || strings.HasPrefix(line, "{") || !printable.Text(line) {
			text, err := json.MarshalIndent(m, "", "  ")
			if err != nil {
				return ""
			}
			return string(text)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// metadataOf reads what metadataText has written, or a person.
func metadataOf(text string) (map[string]string, error) {
	m := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, rpcerr.Invalid(fieldMetadata, "want lines name=value, or a JSON object of strings")
		}
		return m, nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, rpcerr.Invalid(fieldMetadata, "%q is no line name=value", line)
		}
		if _, ok := m[name]; ok {
			return nil, rpcerr.Invalid(fieldMetadata, "%q is there twice", name)
		}
		m[name] = value
	}
	return m, nil
}
