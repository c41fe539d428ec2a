package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/kv-srv/internal/resp"
)

// pieces gives no more than so many bytes at once.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// read returns what a reader makes of some bytes that come in pieces: a line for each
// command, refusal and error.
func read(t testing.TB, r *resp.Reader, sent []byte, size int) (lines []string) {
	t.Helper()
	from := &pieces{sent, size}
	for {
		args, refused, err := r.Next()
		switch {
		case err != nil:
			return append(lines, err.Error())
		case refused != nil:
			lines = append(lines, refused.Error())
		case args != nil:
			lines = append(lines, fmt.Sprintf("%q", args))
		default:
			if err := r.Fill(from); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				return lines
			}
		}
	}
}

func TestReader(t *testing.T) {
	many := "*4097\r\n" + strings.Repeat("$1\r\na\r\n", 4097)
	tests := map[string]struct {
		sent    string
		unknown bool
		want    []string
	}{
		"nothing":               {"", false, nil},
		"a command":             {"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", false, []string{`["GET" "a"]`}},
		"a pipeline":            {"*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$0\r\n\r\n", false, []string{`["PING"]`, `["PING"]`, `[""]`}},
		"any bytes":             {"*1\r\n$6\r\n\r\n\x00\xff*$\r\n", false, []string{`["\r\n\x00\xff*$"]`}},
		"half a command":        {"*2\r\n$3\r\nGET\r\n$1\r\n", false, nil},
		"empty arrays":          {"*0\r\n*-1\r\nPING\r\n", false, []string{`["PING"]`}},
		"a count too many":      {"*1000000000\r\n", false, []string{"Protocol error: invalid multibulk length"}},
		"no count":              {"*x\r\n", false, []string{"Protocol error: invalid multibulk length"}},
		"a count beyond 64 bit": {"*99999999999999999999\r\n", false, []string{"Protocol error: invalid multibulk length"}},
		"an endless count":      {"*" + strings.Repeat("1", 100), false, []string{"Protocol error: invalid multibulk length"}},
		"a length too long":     {"*1\r\n$999999999999\r\n", false, []string{"Protocol error: invalid bulk length"}},
		"the longest length":    {"*1\r\n$9223372036854775807\r\n", false, []string{"Protocol error: invalid bulk length"}},
		"a length below 0":      {"*1\r\n$-1\r\n", false, []string{"Protocol error: invalid bulk length"}},
		"no length":             {"*1\r\n:1\r\n", false, []string{"Protocol error: expected '$', got ':'"}},
		"no end of a line":      {"*1\n$4\nPING\n", false, []string{"Protocol error: invalid multibulk length"}},
		"more than its length":  {"*1\r\n$4\r\nPINGS\r\n", false, []string{"Protocol error: an argument is longer than its length"}},
		"too large":             {"*2\r\n$3\r\nSET\r\n$200000\r\n" + strings.Repeat("x", 200000) + "\r\nPING\r\n", false, []string{"the command is larger than PLATFORM_MAX_MESSAGE allows", `["PING"]`}},
		"too many":              {many + "PING\r\n", false, []string{"the command has more than 4096 arguments", `["PING"]`}},
		"who, with much":        {"*11\r\n", true, []string{"Protocol error: unauthenticated multibulk length"}},
		"who, with more":        {"*1\r\n$20000\r\n", true, []string{"Protocol error: unauthenticated bulk length"}},
		"a line":                {"SET a  'b \\' c' \"\\x41\\n\\\"\"\r\n\r\n", false, []string{`["SET" "a" "b ' c" "A\n\""]`}},
		"a line and a half":     {"PING\nPI", false, []string{`["PING"]`}},
		"an open quote":         {"SET \"a\r\n", false, []string{"Protocol error: unbalanced quotes in request"}},
		"a quote in a word":     {"SET \"a\"b\r\n", false, []string{"Protocol error: unbalanced quotes in request"}},
		"an endless line":       {strings.Repeat("a", 70000), false, []string{"Protocol error: too big inline request"}},
		"a long line":           {strings.Repeat("a", 70000) + "\r\n", false, []string{"Protocol error: too big inline request"}},
		"a browser":             {"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", false, []string{"Protocol error: this is no HTTP"}},
		"a browser's GET":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", false, []string{`["GET" "/" "HTTP/1.1"]`, "Protocol error: this is no HTTP"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 7, 4096, 1 << 20} {
				r := resp.NewReader(100_000)
				r.Known = !tt.unknown
				if diff := cmp.Diff(tt.want, read(t, r, []byte(tt.sent), size)); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

// TestReaderMemory: what a caller announces takes nothing, and what is refused neither.
func TestReaderMemory(t *testing.T) {
	tests := map[string]string{
		"announced":        "*1000000\r\n$500000000\r\n",
		"too large":        "*2\r\n$3\r\nSET\r\n$50000000\r\n" + strings.Repeat("x", 40<<20),
		"too many":         "*1000000\r\n" + strings.Repeat("$0\r\n\r\n", 900000),
		"one by one":       strings.Repeat("*1\r\n$100\r\n"+strings.Repeat("x", 100)+"\r\n", 100000),
		"nothing but ends": strings.Repeat("\r\n", 1<<20),
	}
	for name, sent := range tests {
		t.Run(name, func(t *testing.T) {
			r := resp.NewReader(1 << 20)
			r.Known = true
			from := &pieces{[]byte(sent), len(sent)}
			most := r.Size()
			for err := error(nil); err == nil; most = max(most, r.Size()) {
				for args, refused, err := r.Next(); args != nil || refused != nil; args, refused, err = r.Next() {
					if err != nil {
						t.Fatal(err)
					}
				}
				err = r.Fill(from)
			}
			if most > 256<<10 || r.Size() > 128<<10 {
				t.Errorf("it has kept %d bytes, and %d at last", most, r.Size())
			}
		})
	}
}

// FuzzReader: commands do not depend on how they arrive, and take no more memory than they
// may.
func FuzzReader(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING 'a b' \"\\x00\"\r\n"), uint8(1), true)
	f.Add([]byte("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2000\r\n"+strings.Repeat("x", 2000)+"\r\n*1\r\n$4\r\nPING\r\n"), uint8(9), true)
	f.Add([]byte("*11\r\n$-1\r\n"), uint8(3), false)
	f.Add([]byte("*9223372036854775807\r\n$9223372036854775807\r\n"), uint8(3), true)
	f.Fuzz(func(t *testing.T, sent []byte, size uint8, known bool) {
		const most = 1000
		whole, parts := resp.NewReader(most), resp.NewReader(most)
		whole.Known, parts.Known = known, known
		want := read(t, whole, sent, len(sent)+1)
		if diff := cmp.Diff(want, read(t, parts, bytes.Clone(sent), int(size)+1)); diff != "" {
			t.Errorf("whole, and in pieces of %d (-+):\n%s", int(size)+1, diff)
		}
		if parts.Size() > 256<<10 || whole.Size() > 256<<10 {
			t.Errorf("it keeps %d and %d bytes of commands of %d", whole.Size(), parts.Size(), most)
		}
	})
}
