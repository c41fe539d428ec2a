// Package readmetest compares what a README shows with code that is compiled and run.
package readmetest

import (
	"os"
	"strings"
	"testing"
)

// Examples checks that a README has the code of examples, by the names of their functions.
func Examples(t testing.TB, readme, file string, names ...string) {
	t.Helper()
	text, code := read(t, readme), read(t, file)
	for _, name := range names {
		_, body, _ := strings.Cut(code, "\nfunc "+name+"() {\n")
		body, _, ok := strings.Cut(body, "\n}\n")
		body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
		if !ok || !strings.Contains(text, "```go"+body+"\n```\n") {
			t.Errorf("%s has not the code of %s:%s", readme, name, body)
		}
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
