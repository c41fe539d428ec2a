package kvclient_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme checks that the README has the code of Example and ExampleClient_GetOrFill.
func TestReadme(t *testing.T) {
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Example", "ExampleClient_GetOrFill"} {
		_, body, _ := strings.Cut(string(example), "\nfunc "+name+"() {\n")
		body, _, ok := strings.Cut(body, "\n}\n")
		body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
		if !ok || !strings.Contains(string(readme), "```go"+body+"\n```\n") {
			t.Errorf("README.md has not the code of %s:%s", name, body)
		}
	}
}
