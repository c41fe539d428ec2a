package kvclient_test

import (
	"testing"

	"github.com/micro/platform/internal/readmetest"
)

func TestReadme(t *testing.T) {
	readmetest.Examples(t, "../README.md", "example_test.go", "Example", "ExampleClient_GetOrFill")
}
