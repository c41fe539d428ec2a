// Package setting reads what an operator has set in the environment.
package setting

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one variable of the environment. Its value may also stand in the file
// that the variable NAME_FILE names (for mounted secrets).
type Setting struct {
	Name    string
	Default string
	Help    string
}

// Values are the settings of a service. Reading a malformed one returns its zero
// value; Err then has all of them.
type Values struct {
	getenv func(string) string
	known  map[string]Setting
	errs   []error
}

// New returns the values of the settings that are declared.
func New(getenv func(string) string, declared ...[]Setting) *Values {
	v := &Values{getenv: getenv, known: map[string]Setting{}}
	for _, s := range slices.Concat(declared...) {
		v.known[s.Name] = s
	}
	return v
}

// Err returns every error since New, each of which names its variable.
func (v *Values) Err() error { return errors.Join(v.errs...) }

// Fail notes an error that the caller has found in the value of a setting.
func (v *Values) Fail(name, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(name+": "+format, args...))
}

// String returns a value as it stands. It panics for a setting that was not declared,
// for -h would not tell of it.
func (v *Values) String(name string) string {
	s, _ := v.read(name)
	return s
}

// read returns false where there is no value to judge, of which Err tells.
func (v *Values) read(name string) (string, bool) {
	s, ok := v.known[name]
	if !ok {
		panic("setting " + name + " is not declared")
	}
	value, file := v.getenv(name), v.getenv(name+"_FILE")
	switch {
	case value != "" && file != "":
		v.Fail(name, "set it or %s_FILE, not both", name)
		return "", false
	case value != "":
		return value, true
	case file == "":
		return s.Default, true
	}
	b, err := os.ReadFile(file)
	if err != nil {
		v.Fail(name+"_FILE", "%w", err)
		return "", false
	}
	return strings.TrimSpace(string(b)), true
}

// Duration returns a duration such as "1m30s", above 0.
func (v *Values) Duration(name string) time.Duration {
	s, ok := v.read(name)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		v.Fail(name, "%q is no duration above 0, such as 500ms or 1m30s", s)
		return 0
	}
	return d
}

// Int returns a number from 1 to most.
func (v *Values) Int(name string, most int) int {
	s, ok := v.read(name)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		v.Fail(name, "%q is no number from 1 to %d", s, most)
		return 0
	}
	return n
}

// Bytes returns a size such as "4MiB", from 1 byte to most.
func (v *Values) Bytes(name string, most int64) int64 {
	s, ok := v.read(name)
	if !ok {
		return 0
	}
	n, err := ParseBytes(s)
	if err != nil || n > most {
		v.Fail(name, "%q is no size from 1 to %d bytes, such as 512KiB or 4MiB", s, most)
		return 0
	}
	return n
}

// ParseBytes reads a number of bytes with an optional unit: KiB, MiB, GiB.
func ParseBytes(s string) (int64, error) {
	unit := int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = number, size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q is no size in bytes, KiB, MiB or GiB", s)
	}
	return n * unit, nil
}

// Bool returns true for "true" and false for "false" or nothing.
func (v *Values) Bool(name string) bool {
	switch s := v.String(name); s {
	case "true":
		return true
	case "false", "":
		return false
	default:
		v.Fail(name, "%q is neither true nor false", s)
		return false
	}
}

// List returns the words between commas.
func (v *Values) List(name string) []string {
	var all []string
	for word := range strings.SplitSeq(v.String(name), ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// Address returns host:port to listen on.
func (v *Values) Address(name string) string {
	s, ok := v.read(name)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		v.Fail(name, "%q is no address such as 127.0.0.1:8080", s)
	}
	return s
}

// URL returns the URL that says which backend to use. Its errors do not show it: it
// may hold a password.
func (v *Values) URL(name string) *url.URL {
	s, ok := v.read(name)
	if !ok {
		return &url.URL{}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		v.Fail(name, "not a URL such as memory: or redis://host:6379/0")
		return &url.URL{}
	}
	return u
}
