package resp

import (
	"regexp"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	tests := []struct {
		glob, prefix string
		yes, no      []string
	}{
		{"*", "", []string{"", "a", "\xff\n"}, nil},
		{"", "", []string{""}, []string{"a"}},
		{"user:*", "user:", []string{"user:", "user:1"}, []string{"user", "users:1"}},
		{"h?llo", "h", []string{"hello", "hallo"}, []string{"hllo", "heello"}},
		{"h[ae]llo", "h", []string{"hello", "hallo"}, []string{"hillo", "h"}},
		{"h[^e]llo", "h", []string{"hallo"}, []string{"hello"}},
		{"h[a-c]llo", "h", []string{"hallo", "hcllo"}, []string{"hdllo"}},
		{"h[c-a]", "h", []string{"ha", "hb"}, []string{"hd"}},
		{`a\*b`, "a*b", []string{"a*b"}, []string{"axb"}},
		{`a*\*`, "a", []string{"a*", "abc*"}, []string{"a", "abc"}},
		{`[\]]x`, "", []string{"]x"}, []string{`\x`}},
		{"[a", "", []string{"a"}, []string{"b", "[a"}},
		{"a**b*c", "a", []string{"abc", "axxbxxc"}, []string{"acb"}},
		{`a\`, `a\`, []string{`a\`}, []string{"a"}},
	}
	for _, tt := range tests {
		p := newPattern(tt.glob)
		if p.prefix != tt.prefix {
			t.Errorf("%s: got prefix %q, want %q", tt.glob, p.prefix, tt.prefix)
		}
		for _, key := range tt.yes {
			if !strings.HasPrefix(key, p.prefix) || !p.matches(key) {
				t.Errorf("%s does not match %q", tt.glob, key)
			}
		}
		for _, key := range tt.no {
			if strings.HasPrefix(key, p.prefix) && p.matches(key) {
				t.Errorf("%s matches %q", tt.glob, key)
			}
		}
	}
}

// FuzzPattern: a pattern of letters, ? and * is that regular expression, and no other fails.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("[^a-z]\\", "A")
	f.Add("***a***b", "xaxb")
	f.Fuzz(func(t *testing.T, glob, key string) {
		p := newPattern(glob)
		got := strings.HasPrefix(key, p.prefix) && p.matches(key)
		if strings.ContainsAny(glob, "[]\\") {
			return
		}
		var re strings.Builder
		for _, c := range []byte(glob) {
			switch c {
			case '*':
				re.WriteString("[^G]*")
			case '?':
				re.WriteString("[^G]")
			default:
				re.WriteString(regexp.QuoteMeta(string(rune(c))))
			}
		}
		if strings.Contains(key, "G") || !ascii(glob) || !ascii(key) {
			return
		}
		want := regexp.MustCompile("^" + re.String() + "$").MatchString(key)
		if got != want {
			t.Errorf("%q, %q: got %v, want %v", glob, key, got, want)
		}
	})
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}
