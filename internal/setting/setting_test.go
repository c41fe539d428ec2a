package setting_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/setting"
)

// read returns what get makes of the setting X with a value, and its error.
func read[T any](value string, get func(*setting.Values, string) T) (T, error) {
	v := setting.New(env{"X": value}.get, []setting.Setting{{Name: "X"}})
	got := get(v, "X")
	return got, v.Err()
}

type env map[string]string

func (e env) get(name string) string { return e[name] }

// check reads one kind of setting. want of a bad value is the zero value; its error
// must name the variable, the value and what is allowed.
func check[T any](t *testing.T, get func(*setting.Values, string) T, good map[string]T, allowed string, bad ...string) {
	t.Helper()
	for value, want := range good {
		if got, err := read(value, get); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", value, got, err, want)
		}
	}
	for _, value := range bad {
		var zero T
		got, err := read(value, get)
		if !cmp.Equal(got, zero) {
			t.Errorf("%q: got %v, want %v", value, got, zero)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "X: ") || !strings.Contains(err.Error(), allowed) ||
			!strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got error %v, want one that names X, the value and %q", value, err, allowed)
		}
	}
}

func TestDuration(t *testing.T) {
	check(t, (*setting.Values).Duration, map[string]time.Duration{"1m30s": 90 * time.Second, "1ns": 1}, "500ms or 1m30s", "", "5", "0s", "-1s", "soon")
}

func TestInt(t *testing.T) {
	upTo100 := func(v *setting.Values, name string) int { return v.Int(name, 100) }
	check(t, upTo100, map[string]int{"1": 1, "100": 100}, "from 1 to 100", "", "0", "-1", "101", "1.5", "9223372036854775808", "many")
}

func TestBytes(t *testing.T) {
	upTo4MiB := func(v *setting.Values, name string) int64 { return v.Bytes(name, 4<<20) }
	check(t, upTo4MiB, map[string]int64{"1": 1, "1KiB": 1 << 10, "4MiB": 4 << 20, "4194304": 4 << 20}, "from 1 to 4194304 bytes, such as 512KiB or 4MiB",
		"", "0", "-1KiB", "1GiB", "4194305", "4MB", "KiB", "1 KiB", "1.5MiB", "9223372036854775808")
}

func TestBool(t *testing.T) {
	check(t, (*setting.Values).Bool, map[string]bool{"true": true, "false": false, "": false}, "neither true nor false", "1", "yes", "TRUE")
}

func TestList(t *testing.T) {
	check(t, (*setting.Values).List, map[string][]string{"": nil, ",": nil, "a": {"a"}, "a, b ,,c,": {"a", "b", "c"}}, "")
}

func TestString(t *testing.T) {
	check(t, (*setting.Values).String, map[string]string{"": "", "as it\tis\n": "as it\tis\n"}, "")
}

func TestAddress(t *testing.T) {
	good := map[string]string{}
	for _, s := range []string{"127.0.0.1:8080", ":0", "[::1]:65535", "localhost:1"} {
		good[s] = s
	}
	check(t, (*setting.Values).Address, good, "127.0.0.1:8080")
	for _, s := range []string{"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "127.0.0.1:-1"} {
		if _, err := read(s, (*setting.Values).Address); err == nil || !strings.HasPrefix(err.Error(), `X: "`+s+`" is no address such as`) {
			t.Errorf("%q: got error %v", s, err)
		}
	}
}

// TestURL: an error does not show the value.
func TestURL(t *testing.T) {
	for _, s := range []string{"memory:", "redis://user:s3cret@host:6379/0?x=y", "etcd://a:2379,b:2379"} {
		if got, err := read(s, (*setting.Values).URL); err != nil || got.String() != s {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "memory", "//:s3cret@host", "redis://:s3cret@host:port", "redis://:s3cret%zz@host", "\x7f:s3cret", "1:s3cret"} {
		got, err := read(s, (*setting.Values).URL)
		if !cmp.Equal(got, &url.URL{}) {
			t.Errorf("%q: got %v, want an empty URL", s, got)
		}
		if want := "X: not a URL such as memory: or redis://host:6379/0"; err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", s, err, want)
		}
	}
}

func TestDefault(t *testing.T) {
	v := setting.New(env{}.get, []setting.Setting{{Name: "A", Default: "1s"}}, []setting.Setting{{Name: "B", Default: "memory:"}})
	if got := v.Duration("A"); got != time.Second {
		t.Errorf("A: got %v", got)
	}
	if got := v.URL("B").String(); got != "memory:" {
		t.Errorf("B: got %v", got)
	}
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("redis://:s3cret@host\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	all := env{
		"FROM_FILE_FILE": file, "BOTH": "memory:", "BOTH_FILE": file, "AWAY_FILE": missing,
		"BOTH_TIMES": "1s", "BOTH_TIMES_FILE": file, "AWAY_TIMES_FILE": missing, "AWAY_NUMBER_FILE": missing,
		"AWAY_SIZE_FILE": missing, "AWAY_TRUTH_FILE": missing, "AWAY_URL_FILE": missing, "AWAY_ADDRESS_FILE": missing,
	}
	var declared []setting.Setting
	for _, name := range []string{
		"FROM_FILE", "BOTH", "AWAY", "BOTH_TIMES", "AWAY_TIMES", "AWAY_NUMBER", "AWAY_SIZE", "AWAY_TRUTH", "AWAY_URL", "AWAY_ADDRESS",
	} {
		declared = append(declared, setting.Setting{Name: name, Default: "default"})
	}
	v := func() *setting.Values { return setting.New(all.get, declared) }
	fromFile := v()
	if got := fromFile.URL("FROM_FILE").String(); got != "redis://:s3cret@host" || fromFile.Err() != nil {
		t.Errorf("got %q, %v, want what the file has", got, fromFile.Err())
	}
	// What cannot be read is one error, whatever the kind, and no default is used.
	tests := map[string]struct {
		get  func(*setting.Values) any
		want string
	}{
		"BOTH":             {func(v *setting.Values) any { return v.String("BOTH") }, "BOTH: set it or BOTH_FILE, not both"},
		"AWAY":             {func(v *setting.Values) any { return v.String("AWAY") }, "AWAY_FILE: open " + missing},
		"BOTH_TIMES":       {func(v *setting.Values) any { return v.Duration("BOTH_TIMES") }, "BOTH_TIMES: set it or BOTH_TIMES_FILE, not both"},
		"AWAY_TIMES":       {func(v *setting.Values) any { return v.Duration("AWAY_TIMES") }, "AWAY_TIMES_FILE: open " + missing},
		"AWAY_NUMBER":      {func(v *setting.Values) any { return v.Int("AWAY_NUMBER", 9) }, "AWAY_NUMBER_FILE: open " + missing},
		"AWAY_SIZE":        {func(v *setting.Values) any { return v.Bytes("AWAY_SIZE", 9) }, "AWAY_SIZE_FILE: open " + missing},
		"AWAY_TRUTH":       {func(v *setting.Values) any { return v.Bool("AWAY_TRUTH") }, "AWAY_TRUTH_FILE: open " + missing},
		"AWAY_ADDRESS":     {func(v *setting.Values) any { return v.Address("AWAY_ADDRESS") }, "AWAY_ADDRESS_FILE: open " + missing},
		"AWAY_URL":         {func(v *setting.Values) any { return *v.URL("AWAY_URL") }, "AWAY_URL_FILE: open " + missing},
		"AWAY_URL, a list": {func(v *setting.Values) any { return len(v.List("AWAY_URL")) }, "AWAY_URL_FILE: open " + missing},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := v()
			got := tt.get(v)
			if err := v.Err(); err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %q, want one that begins with %q", err, tt.want)
			}
			if got == "default" {
				t.Errorf("got %v", got)
			}
		})
	}
	missed := v()
	_ = missed.String("AWAY")
	if !errors.Is(missed.Err(), os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", missed.Err())
	}
}

func TestErr(t *testing.T) {
	v := setting.New(env{"A": "soon", "B": "many"}.get, []setting.Setting{{Name: "A"}, {Name: "B"}, {Name: "C"}})
	v.Duration("A")
	v.Int("B", 9)
	v.Fail("C", "%q is neither %s nor %s", "red", "blue", "green")
	want := `A: "soon" is no duration above 0, such as 500ms or 1m30s
B: "many" is no number from 1 to 9
C: "red" is neither blue nor green`
	if got := v.Err(); got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestUndeclared(t *testing.T) {
	defer func() {
		if got := recover(); got != "setting Y is not declared" {
			t.Errorf("got panic %v", got)
		}
	}()
	v := setting.New(env{"Y": "y"}.get, []setting.Setting{{Name: "X"}})
	t.Errorf("got %q for a setting that -h does not show", v.String("Y"))
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"1", "4MiB", "512KiB", "8GiB", "0", "-1", "GiB", "9223372036854775807", "4294967296GiB", "1KiBKiB", "+1", "1_000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := setting.ParseBytes(s)
		if err != nil {
			if n != 0 {
				t.Errorf("%q: got %d with %v", s, n, err)
			}
			return
		}
		if n < 1 || n > 1<<62 {
			t.Errorf("%q: got %d", s, n)
		}
		digits := strings.TrimLeft(s, "+0123456789")
		if unit := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[digits]; unit == 0 || n%unit != 0 {
			t.Errorf("%q: got %d", s, n)
		}
	})
}
