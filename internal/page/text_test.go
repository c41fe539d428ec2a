package page_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/micro/platform/internal/page"
)

func TestText(t *testing.T) {
	const esc, end = `<span class="esc">`, `</span>`
	for in, want := range map[string]string{
		"":                          ``,
		"hello, wörld 世界":           `hello, wörld 世界`,
		`<script>alert(1)</script>`: `&lt;script&gt;alert(1)&lt;/script&gt;`,
		`"onload="x' & y`:           `&#34;onload=&#34;x&#39; &amp; y`,
		"</bdi>":                    `&lt;/bdi&gt;`,
		"a\u202egnp.exe":            `a` + esc + `\u202e` + end + `gnp.exe`,
		"\u2066x\u2069":             esc + `\u2066` + end + `x` + esc + `\u2069` + end,
		"مرحبا":                     `مرحبا`,
		"a\x00b\x1b[2J":             `a` + esc + `\u0000` + end + `b` + esc + `\u001b` + end + `[2J`,
		"one\ntwo\tthree\r":         `one` + esc + `\n` + end + `two` + esc + `\u0009` + end + `three` + esc + `\u000d` + end,
		"\xff\xfe\xed\xa0\x80":      esc + `\xff` + end + esc + `\xfe` + end + esc + `\xed` + end + esc + `\xa0` + end + esc + `\x80` + end,
		"\ufffd":                    esc + "\ufffd" + end,
		"\u00a0\u2028\ufeff":        esc + `\u00a0` + end + esc + `\u2028` + end + esc + `\ufeff` + end,
		"\U000e0001":                esc + `\udb40\udc01` + end,
	} {
		if got := string(page.Text(in, 0)); got != "<bdi>"+want+"</bdi>" {
			t.Errorf("Text(%q): got %s, want %s", in, got, want)
		}
	}
}

func TestTextCut(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"hello", 5, `<bdi>hello</bdi>`},
		{"hello", 4, `<bdi>hell</bdi><span class="esc">…</span>`},
		{"aää", 4, `<bdi>aä</bdi><span class="esc">…</span>`},
		{strings.Repeat("<", 1<<20), 2, `<bdi>&lt;&lt;</bdi><span class="esc">…</span>`},
	} {
		if got := string(page.Text(tt.in, tt.most)); got != tt.want {
			t.Errorf("Text(%.20q, %d): got %.100s, want %s", tt.in, tt.most, got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	got, want := string(page.Lines("a <b>\n\tc\r\n\u202e")), "<bdi>a &lt;b&gt;\n\tc<span class=\"esc\">\\u000d</span>\n<span class=\"esc\">\\u202e</span></bdi>"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTextHarmless: whatever the text, a page gets no element, no control character and no
// other direction of it, and a reader sees each of its characters.
func TestTextHarmless(t *testing.T) {
	tags := regexp.MustCompile(`</?bdi>|<span class="esc">|</span>`)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("<>&\"'\u202e\u2066\x00\n\t\ufffd a"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		for _, lines := range []bool{false, true} {
			shown := string(page.Text(in, 0))
			if lines {
				shown = string(page.Lines(in))
			}
			bare := tags.ReplaceAllString(shown, "")
			if strings.ContainsAny(bare, `<>"'`) {
				t.Fatalf("%q: markup in %q", in, shown)
			}
			for _, r := range bare {
				if !unicode.IsPrint(r) && !(lines && (r == '\n' || r == '\t')) {
					t.Fatalf("%q: %q in %q", in, r, shown)
				}
			}
			for _, r := range in {
				if unicode.IsPrint(r) && !strings.ContainsRune(html.UnescapeString(bare), r) && r != utf8.RuneError {
					t.Fatalf("%q: no %q in %q", in, r, shown)
				}
			}
		}
	})
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.ByteRange(0x70, 0xff)), func(b []byte) string { return string(b) })).Draw(t, "text")
		most := rapid.IntRange(-1, len(in)+2).Draw(t, "most")
		got := page.Cut(in, most)
		switch {
		case !strings.HasPrefix(in, got), most > 0 && len(got) > most:
			t.Fatalf("Cut(%q, %d): %q", in, most, got)
		case (most <= 0 || len(in) <= most) && got != in, most > 0 && len(in) > most && len(got) < most-utf8.UTFMax:
			t.Fatalf("Cut(%q, %d): %q is too little", in, most, got)
		case utf8.ValidString(in) && !utf8.ValidString(got):
			t.Fatalf("Cut(%q, %d): %q is cut in a rune", in, most, got)
		}
	})
}
