package printable_test

import (
	"encoding/json"
	"testing"

	"github.com/micro/platform/internal/printable"
)

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"":                `""`,
		"hello, wörld 世界": "hello, wörld 世界",
		" a":              `" a"`,
		`"a"`:             `"\"a\""`,
		`a"b`:             `a"b`,
		"a\nb":            `"a\nb"`,
		"\x1b[2J":         `"\x1b[2J"`,
		"\u009b2J":        `"\u009b2J"`,
		"a\u202eb":        `"a\u202eb"`,
		"\xff":            `"\xff"`,
		"a\ufffd":         "a\ufffd",
	} {
		if got := printable.Cell(in); got != want {
			t.Errorf("Cell(%q): got %s, want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "a\n\tb": true, "ä": true, "a\rb": false, "\x1b[m": false, "\xff": false, "\x00": false,
	} {
		if got := printable.Text(in); got != want {
			t.Errorf("Text(%q): got %t, want %t", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	got, want := printable.Lines("one\ntwo \x1b[31m \xff ä \U000e0001"), "one\ntwo \\u001b[31m \\xff ä \\udb40\\udc01"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestJSON escapes without a change of what the text means.
func TestJSON(t *testing.T) {
	const hostile = "a\u009b2J \u202e \U000e0001 ä \u007f"
	in, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	out := printable.JSON(in)
	if want := `"a\u009b2J \u202e \udb40\udc01 ä \u007f"`; string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
	var back string
	if err := json.Unmarshal(out, &back); err != nil || back != hostile {
		t.Errorf("got %q, error %v, want %q", back, err, hostile)
	}
}
