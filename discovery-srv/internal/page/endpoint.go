package page

import (
	"maps"
	"slices"
	"strings"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// endpointRow is a method in words.
type endpointRow struct {
	Name, Takes, Answers string
	Metadata             string
}

// Methods are the endpoints of an instance.
func (s shown) Methods() []endpointRow {
	all := make([]endpointRow, 0, len(s.GetEndpoints()))
	for _, e := range s.GetEndpoints() {
		row := endpointRow{Name: e.GetName(), Takes: describe(e.GetRequest()), Answers: describe(e.GetResponse())}
		for _, k := range slices.Sorted(maps.Keys(e.GetMetadata())) {
			row.Metadata += k + "=" + e.GetMetadata()[k] + " "
		}
		all = append(all, row)
	}
	return all
}

// describe writes a type as Go does: Name Type{a string, b int64}.
func describe(v *discoverypb.Value) string {
	var b strings.Builder
	write(&b, v)
	return b.String()
}

func write(b *strings.Builder, v *discoverypb.Value) {
	b.WriteString(v.GetName())
	if v.GetType() != v.GetName() && v.GetType() != "" {
		b.WriteString(" " + v.GetType())
	}
	for i, field := range v.GetValues() {
		b.WriteString(map[bool]string{true: "{", false: ", "}[i == 0])
		write(b, field)
	}
	if len(v.GetValues()) > 0 {
		b.WriteString("}")
	}
}
