package page_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestRoundTrip: the form of an item, sent back as it was, leaves the item as it was.
func TestRoundTrip(t *testing.T) {
	s := open(t, nil)
	odd := rapid.StringOf(rapid.SampledFrom([]rune("\r\n\t =\"'{}[]<&a1é世\u202e\u0085\u00a0\ufffd\x00\x1b,:")))
	values := rapid.OneOf(
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.String(), odd,
		rapid.SampledFrom([]string{
			"", "\n", "\n\nx", "x\n", "\r\n", "a\r\nb", "a\rb", "{\r\n \"a\": 1}", "{\n\t\"a\": \"\u2028\"\n}\n", `{"a":1,"a":2, "b":1e400}`, "12", "null", " [1] ", "\"\\u0000\"", "</textarea><script>", "&amp;",
			strings.Repeat("\x00\xff", 1<<10), strings.Repeat("text\n", 20_000), "\xff" + strings.Repeat("x", 64<<10), "{\"a\":\"" + strings.Repeat("x", 1<<16) + "\"}", strings.Repeat("é\n", 100_000),
		}),
	)
	ttls := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(int64(2*time.Minute), int64(10*365*24*time.Hour)))
	rapid.Check(t, func(t *rapid.T) {
		value := values.Draw(t, "value")
		metadata := rapid.MapOfN(rapid.OneOf(odd, rapid.String()), rapid.OneOf(odd, rapid.String()), 0, 5).Draw(t, "metadata")
		req := &kvpb.PutRequest{Key: "k", Value: []byte(value), Metadata: metadata}
		if ttl := ttls.Draw(t, "ttl"); ttl > 0 {
			req.Ttl = durationpb.New(time.Duration(ttl))
		}
		s.put(t, req)
		before := s.item(t, "k")
		as := rapid.SampledFrom([]string{"", "text", "json", "hex", "none"}).Draw(t, "as")
		a := s.submit(t, s.show(t, item("edit", "k", "as", as)), nil)
		wantStatus(t, a, http.StatusSeeOther)
		after := s.item(t, "k")
		if after.GetVersion() == before.GetVersion() {
			t.Fatal("nothing was written")
		}
		if diff := cmp.Diff(string(before.GetValue()), string(after.GetValue())); diff != "" {
			t.Fatalf("value as %q (-before +after):\n%s", as, diff)
		}
		if diff := cmp.Diff(before.GetMetadata(), after.GetMetadata()); diff != "" {
			t.Fatalf("metadata (-before +after):\n%s", diff)
		}
		if (before.GetExpireTime() == nil) != (after.GetExpireTime() == nil) || before.GetExpireTime().AsTime().Sub(after.GetExpireTime().AsTime()).Abs() > time.Second {
			t.Fatalf("it ended at %v, and ends at %v", before.GetExpireTime().AsTime(), after.GetExpireTime().AsTime())
		}
		wantStatus(t, s.get(t, a.header.Get("Location")), http.StatusOK)
	})
}

func TestNewItem(t *testing.T) {
	s := open(t, nil)
	a := s.submit(t, s.show(t, "edit?namespace=default"), map[string]string{"key": "a/b c", "value": "one\ntwo\n", "ttl": "1.5d", "metadata": "type=text/plain\n\n empty= \nq=a=b"})
	wantStatus(t, a, http.StatusSeeOther)
	if got, want := a.header.Get("Location"), "item?key=a%2Fb+c&namespace=default"; got != want {
		t.Errorf("goes on at %s, want %s", got, want)
	}
	s.wantValue(t, "a/b c", "one\ntwo\n")
	i := s.item(t, "a/b c")
	if diff := cmp.Diff(map[string]string{"type": "text/plain", "empty": "", "q": "a=b"}, i.GetMetadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if left := time.Until(i.GetExpireTime().AsTime()); left < 35*time.Hour || left > 36*time.Hour {
		t.Errorf("it ends in %v", left)
	}
	wantHas(t, s.show(t, a.header.Get("Location")), "a/b c", "one\ntwo\n", "type", "text/plain")
}

// TestRefused: what is wrong stands beside the field that is to blame, and all that was
// typed is still there.
func TestRefused(t *testing.T) {
	s := open(t, nil)
	for name, tt := range map[string]struct {
		field, value, says string
		at                 string
	}{
		"no key":        {"key", "", "key: 0 bytes long", "edit"},
		"a long key":    {"key", strings.Repeat("k", 1025), "key: 1025 bytes long", "edit"},
		"a wrong time":  {"ttl", "soon", `ttl: "soon" is no time such as 90s, 15m, 24h or 7d`, "edit"},
		"a long time":   {"ttl", strings.Repeat("9", 1000) + "d", `is no time such as`, "edit"},
		"no number":     {"ttl", "NaNd", `ttl: "NaNd" is no time`, "edit"},
		"endless":       {"ttl", "Infd", `ttl: "Infd" is no time`, "edit"},
		"aeons":         {"ttl", "200000d", `ttl: "200000d" is no time`, "edit"},
		"too long":      {"ttl", "4000d", "ttl: 96000h0m0s, want 1ms to 10 years, or none", "edit"},
		"none":          {"ttl", "0s", "ttl: 0s, want 1ms to 10 years, or none", "edit"},
		"backwards":     {"ttl", "-5m", "ttl: -5m0s, want 1ms to 10 years, or none", "edit"},
		"no pair":       {"metadata", "a=b\nnothing", `metadata: "nothing" is no line name=value`, "edit"},
		"twice":         {"metadata", "a=b\na=c", `metadata: "a" is there twice`, "edit"},
		"no strings":    {"metadata", `{"a":1}`, "metadata: want lines name=value, or a JSON object of strings", "edit"},
		"too much":      {"metadata", "a=" + strings.Repeat("x", 4096), "metadata: 4097 bytes of keys and values, want at most 4096", "edit"},
		"too large":     {"value", strings.Repeat("x", 1<<20+1), "value: 1048577 bytes long, want at most 1048576", "edit"},
		"no JSON":       {"value", `{"a":`, "value: unexpected end of JSON input", item("edit", "json")},
		"no digits":     {"value", "00 0g", "value: want pairs of hexadecimal digits", item("edit", "binary")},
		"half a byte":   {"value", "00 0", "value: want pairs of hexadecimal digits", item("edit", "binary")},
		"no version":    {"if_version", "x", "if_version: no version", item("edit", "json")},
		"no such form":  {"encoding", "morse", "encoding: want text, json, hex or file", item("edit", "json")},
		"a lost upload": {"encoding", "again", "file: choose it again", item("edit", "json")},
	} {
		t.Run(name, func(t *testing.T) {
			s.text(t, "json", `{"a":1}`)
			s.text(t, "binary", "\x00\xff")
			form := s.show(t, tt.at)
			changes := map[string]string{"metadata": "kept=yes", "ttl": "15m", tt.field: tt.value}
			if _, ok := form.fields()["key"]; ok && tt.field != "key" {
				changes["key"] = "new"
			}
			a := s.submit(t, form, changes)
			wantStatus(t, a, http.StatusBadRequest)
			wantHas(t, a, tt.says)
			fields := a.fields()
			for name, want := range changes {
				if got := fields[name]; got != want {
					t.Errorf("%s has %.100q, want %.100q", name, got, want)
				}
			}
			s.wantNone(t, "new")
			s.wantValue(t, "json", `{"a":1}`)
			s.wantValue(t, "binary", "\x00\xff")
		})
	}
}

// TestConflict: who writes what somebody else has written meanwhile sees both, and neither
// is lost before they say so.
func TestConflict(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "first")
	form := s.show(t, item("edit", "k"))
	s.text(t, "k", "theirs")
	a := s.submit(t, form, map[string]string{"value": "mine", "ttl": "1h", "metadata": "by=me"})
	wantStatus(t, a, http.StatusConflict)
	wantHas(t, a, "Somebody else has written this item. Nothing of yours was saved; it stands below.", "Theirs", "theirs", "mine", "Save mine instead")
	s.wantValue(t, "k", "theirs")
	s.text(t, "k", "theirs again")
	a = s.submit(t, a, nil)
	wantStatus(t, a, http.StatusConflict)
	wantHas(t, a, "theirs again")
	a = s.submit(t, a, nil)
	wantStatus(t, a, http.StatusSeeOther)
	s.wantValue(t, "k", "mine")
	if i := s.item(t, "k"); i.GetMetadata()["by"] != "me" || i.GetExpireTime() == nil {
		t.Errorf("got %v", i)
	}
}

func TestConflictGone(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "first")
	form := s.show(t, item("edit", "k"))
	if _, err := s.kv.Delete(t.Context(), &kvpb.DeleteRequest{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	a := s.submit(t, form, map[string]string{"value": "mine"})
	wantStatus(t, a, http.StatusConflict)
	wantHas(t, a, "Somebody else has deleted this item. Nothing of yours was saved; it stands below.", "mine")
	s.wantNone(t, "k")
	wantStatus(t, s.submit(t, a, nil), http.StatusSeeOther)
	s.wantValue(t, "k", "mine")
}

func TestConflictNew(t *testing.T) {
	s := open(t, nil)
	form, known := s.show(t, "edit"), s.show(t, item("edit", "k")) // also of a key that has no item yet
	s.text(t, "k", "theirs")
	a := s.submit(t, form, map[string]string{"key": "k", "value": "mine"})
	wantStatus(t, a, http.StatusConflict)
	wantHas(t, a, "theirs", "mine")
	wantStatus(t, s.submit(t, known, map[string]string{"value": "mine"}), http.StatusConflict)
	s.wantValue(t, "k", "theirs")
	wantStatus(t, s.submit(t, a, nil), http.StatusSeeOther)
	s.wantValue(t, "k", "mine")
}

// TestEncoding: what a browser would not send back as it was is edited as digits.
func TestEncoding(t *testing.T) {
	s := open(t, nil)
	large := strings.Repeat("\x00", 64<<10+1)
	for value, want := range map[string][4]string{ // as "", text, json, hex
		"one\ntwo\n":                    {"text", "text", "text", "hex"},
		"":                              {"text", "text", "text", "hex"},
		"\n":                            {"text", "text", "text", "hex"},
		"one\r\ntwo":                    {"hex", "hex", "hex", "hex"},
		"\x00\xff":                      {"hex", "hex", "hex", "hex"},
		"a\u202eb":                      {"hex", "hex", "hex", "hex"},
		`{"a": 1}`:                      {"json", "text", "json", "hex"},
		"{\"a\":\r\n1}":                 {"hex", "hex", "hex", "hex"},
		large:                           {"file", "file", "file", "file"},
		strings.Repeat("x", 64<<10+1):   {"text", "text", "text", "text"},
		`"` + strings.Repeat("\t", 100): {"text", "text", "text", "hex"},
	} {
		s.text(t, "k", value)
		for i, as := range []string{"", "text", "json", "hex"} {
			if got := s.show(t, item("edit", "k", "as", as)).fields()["encoding"]; got != want[i] {
				t.Errorf("%.20q as %q: edited as %s, want %s", value, as, got, want[i])
			}
		}
	}
	s.text(t, "k", "\x00")
	form := s.show(t, item("edit", "k"))
	wantStatus(t, s.submit(t, form, map[string]string{"value": " DE ad\n\tbe\n\nEF "}), http.StatusSeeOther)
	s.wantValue(t, "k", "\xde\xad\xbe\xef")
	s.text(t, "k", `{"a":1}`)
	wantStatus(t, s.submit(t, s.show(t, item("edit", "k")), map[string]string{"value": "{\n \"a\":\t2 }\n"}), http.StatusSeeOther)
	s.wantValue(t, "k", "{\n \"a\":\t2 }\n")
}

// TestUpload: a file is stored byte for byte.
func TestUpload(t *testing.T) {
	s := open(t, nil)
	for _, content := range []string{"", "one\r\ntwo\x00\xff", strings.Repeat("\xff", 1<<20), "--boundary\r\n\r\n"} {
		a := s.submit(t, s.show(t, "edit"), map[string]string{"key": "k", "value": "typed"}, file{"../../a b.bin", content})
		if a.status == http.StatusConflict {
			a = s.submit(t, s.show(t, item("edit", "k")), map[string]string{"ttl": "1h"}, file{"x", content})
		}
		wantStatus(t, a, http.StatusSeeOther)
		s.wantValue(t, "k", content)
	}
}

// TestUploadKept: a browser sends a file once. What it had is not lost to a mistake in
// another field, nor to somebody else's write.
func TestUploadKept(t *testing.T) {
	s := open(t, nil)
	for name, tt := range map[string]struct{ content, encoding string }{
		"text": {"from\na file", "text"}, "JSON": {`{"a":1}`, "text"}, "binary": {"a\r\n\x00\xff", "hex"}, "empty": {"", "text"}, "large": {strings.Repeat("\xff", 1<<20), "again"},
	} {
		t.Run(name, func(t *testing.T) {
			s.text(t, "k", "first")
			stale := s.show(t, item("edit", "k"))
			s.text(t, "k", "theirs")
			for what, send := range map[string]func() *answer{
				"a conflict": func() *answer { return s.submit(t, stale, nil, file{"f", tt.content}) },
				"a mistake": func() *answer {
					return s.submit(t, s.show(t, item("edit", "k")), map[string]string{"ttl": "soon"}, file{"f", tt.content})
				},
			} {
				a := send()
				if got := a.fields()["encoding"]; a.status < 400 || got != tt.encoding {
					t.Errorf("%s: got %d, the file as %s, want %s", what, a.status, got, tt.encoding)
				}
				s.wantValue(t, "k", "theirs")
				a = s.submit(t, a, map[string]string{"ttl": ""})
				if tt.encoding == "again" {
					wantStatus(t, a, http.StatusBadRequest)
					wantHas(t, a, "file: choose it again")
					s.wantValue(t, "k", "theirs")
					a = s.submit(t, a, nil, file{"f", tt.content})
				}
				wantStatus(t, a, http.StatusSeeOther)
				s.wantValue(t, "k", tt.content)
				s.text(t, "k", "theirs")
			}
		})
	}
}

// TestLargeBinary: what is too large to edit stays what it is, while its metadata change.
func TestLargeBinary(t *testing.T) {
	s := open(t, nil)
	value := strings.Repeat("\x00\xff", 40<<10)
	s.text(t, "k", value)
	form := s.show(t, item("edit", "k"))
	wantHas(t, form, "Without a file it stays what it is")
	a := s.submit(t, form, map[string]string{"metadata": "wrong"})
	wantStatus(t, a, http.StatusBadRequest)
	wantHas(t, a, "Without a file it stays what it is")
	wantStatus(t, s.submit(t, a, map[string]string{"metadata": "a=b"}), http.StatusSeeOther)
	s.wantValue(t, "k", value)
	if got := s.item(t, "k").GetMetadata()["a"]; got != "b" {
		t.Errorf("metadata a: got %q", got)
	}
	wantStatus(t, s.submit(t, s.show(t, item("edit", "k")), nil, file{"f", "small"}), http.StatusSeeOther)
	s.wantValue(t, "k", "small")
}

func TestTTL(t *testing.T) {
	s := open(t, nil)
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, " 15m ": 15 * time.Minute, "7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour, "": 0, "  ": 0} {
		s.put(t, &kvpb.PutRequest{Key: "k", Value: []byte("v"), Ttl: durationpb.New(time.Hour)})
		a := s.submit(t, s.show(t, item("ttl", "k")), map[string]string{"ttl": in})
		wantStatus(t, a, http.StatusSeeOther)
		ends := s.item(t, "k").GetExpireTime()
		if left := time.Until(ends.AsTime()); (ends == nil) != (want == 0) || want != 0 && (left > want || left < want-time.Minute) {
			t.Errorf("%q: it ends at %v", in, ends)
		}
		wantHas(t, s.show(t, a.header.Get("Location")), map[bool]string{true: "never", false: "in "}[want == 0])
	}
	for in, says := range map[string]string{"soon": `ttl: "soon" is no time such as`, "NaNd": `ttl: "NaNd" is no time`, "-1s": "ttl: -1s, want 1ms to 10 years", "5000d": "want 1ms to 10 years"} {
		a := s.submit(t, s.show(t, item("ttl", "k")), map[string]string{"ttl": in})
		wantStatus(t, a, http.StatusBadRequest)
		wantHas(t, a, says)
		if got := a.fields()["ttl"]; got != in {
			t.Errorf("the field has %q, want %q", got, in)
		}
	}
	form := s.show(t, item("ttl", "k"))
	if _, err := s.kv.Delete(t.Context(), &kvpb.DeleteRequest{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.submit(t, form, map[string]string{"ttl": "1m"}), http.StatusNotFound)
	s.wantNone(t, "k")
}
