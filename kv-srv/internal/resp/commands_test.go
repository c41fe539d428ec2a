package resp_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/micro/platform/tests/backends"
)

// exchange is a command and its answer.
type exchange struct {
	command string // words between spaces; <n> is a word of n letters
	want    string
	own     string // how our answer begins where it is another than that of Redis; "": it is not
}

func (e exchange) args() []string {
	args := strings.Split(e.command, " ")
	for i, a := range args {
		var n int
		if _, err := fmt.Sscanf(a, "<%d>", &n); err == nil {
			args[i] = strings.Repeat("x", n)
		}
	}
	return args
}

// ours tells whether an answer is the one that kv is to give.
func (e exchange) ours(got string) bool {
	if e.own != "" {
		return strings.HasPrefix(got, e.own)
	}
	return got == e.want
}

const (
	ok      = "+OK\r\n"
	null    = "$-1\r\n"
	syntax  = "-ERR syntax error\r\n"
	integer = "-ERR value is not an integer or out of range\r\n"
	zero    = ":0\r\n"
	first   = ":1\r\n"
)

// script has an answer of Redis to each command, in an empty database.
func script() []exchange {
	return []exchange{
		{"PING", "+PONG\r\n", ""},
		{"ping hello", "$5\r\nhello\r\n", ""},
		{"PING a b", "-ERR wrong number of arguments for 'ping' command\r\n", ""},
		{"ECHO x", "$1\r\nx\r\n", ""},
		{"NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n", ""},
		{"NOSUCHCOMMANDATALL", "-ERR unknown command 'NOSUCHCOMMANDATALL', with args beginning with: \r\n", ""},
		{"GET", "-ERR wrong number of arguments for 'get' command\r\n", ""},

		{"GET a", null, ""},
		{"SET a 1", ok, ""},
		{"GET a", "$1\r\n1\r\n", ""},
		{"SET a 2 NX", null, ""},
		{"SET b 2 XX", null, ""},
		{"SET a 2 xx", ok, ""},
		{"SET b 3 NX", ok, ""},
		{"SET a 3 NX XX", syntax, ""},
		{"SET a 3 FOO", syntax, ""},
		{"SET a 3 EX", syntax, ""},
		{"SET a 3 EX x", integer, ""},
		{"SET a 3 EX 0", "-ERR invalid expire time in 'set' command\r\n", ""},
		{"SET a 3 PX -5", "-ERR invalid expire time in 'set' command\r\n", ""},
		{"SET a 3 EX 5 PX 5", syntax, ""},
		{"SET a 3 EX 5 KEEPTTL", syntax, ""},
		{"SET a 3 GET", "$1\r\n2\r\n", ""},
		{"SET none 3 GET", null, ""},
		{"SET a 4 NX GET", "$1\r\n3\r\n", ""},
		{"SET none2 4 XX GET", null, ""},
		{"GET none2", null, ""},
		{"TTL a", ":-1\r\n", ""},
		{"TTL none2", ":-2\r\n", ""},
		{"SET a 5 EX 1000", ok, ""},
		{"TTL a", ":1000\r\n", ""},
		{"SET a 6 KEEPTTL", ok, ""},
		{"TTL a", ":1000\r\n", ""},
		{"SET a 6 KEEPTTL GET", "$1\r\n6\r\n", ""},
		{"PERSIST a", first, ""},
		{"PERSIST a", zero, ""},
		{"PERSIST none2", zero, ""},
		{"SET a 7 PX 500000", ok, ""},
		{"TTL a", ":500\r\n", ""},
		{"SET a 7 EXAT 33000000000", ok, "-ERR ttl: "},
		{"SET a 7 EXAT 1", ok, ""},
		{"SETEX a 100 8", ok, ""},
		{"TTL a", ":100\r\n", ""},
		{"PSETEX a 100000 8", ok, ""},
		{"SETEX a 0 8", "-ERR invalid expire time in 'setex' command\r\n", ""},
		{"EXPIRE a 200", first, ""},
		{"TTL a", ":200\r\n", ""},
		{"PEXPIRE a 300000", first, ""},
		{"TTL a", ":300\r\n", ""},
		{"EXPIRE none2 10", zero, ""},
		{"EXPIRE a x", integer, ""},
		{"EXPIREAT a 1", first, ""},
		{"GET a", null, ""},
		{"EXPIRE b -1", first, ""},
		{"EXISTS b", zero, ""},
		{"EXPIRETIME b", ":-2\r\n", ""},
		{"PTTL b", ":-2\r\n", ""},
		{"SETNX a 1", first, ""},
		{"SETNX a 1", zero, ""},
		{"PEXPIRETIME a", ":-1\r\n", ""},
		{"GETSET a 2", "$1\r\n1\r\n", ""},
		{"GETDEL a", "$1\r\n2\r\n", ""},
		{"GETDEL a", null, ""},
		{"STRLEN none", ":1\r\n", ""},
		{"STRLEN a", zero, ""},

		{"MSET a 1 b 2 c 3", ok, ""},
		{"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n", ""},
		{"MGET a x b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n", ""},
		{"MSET d 1 d 2", ok, ""},
		{"GET d", "$1\r\n2\r\n", ""},
		{"EXISTS a x a b", ":3\r\n", ""},
		{"EXISTS a", first, ""},
		{"TYPE a", "+string\r\n", ""},
		{"TYPE x", "+none\r\n", ""},
		{"DEL d d x", first, ""},
		{"UNLINK c", first, ""},
		{"DBSIZE", ":3\r\n", ""}, // a, b, none

		{"INCR n", first, ""},
		{"INCRBY n 41", ":42\r\n", ""},
		{"DECR n", ":41\r\n", ""},
		{"DECRBY n 50", ":-9\r\n", ""},
		{"INCRBY n x", integer, ""},
		{"INCRBY n 9223372036854775808", integer, ""},
		{"DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n", ""},
		{"SET n 9223372036854775807", ok, ""},
		{"INCR n", "-ERR increment or decrement would overflow\r\n", ""},
		{"SET n abc", ok, ""},
		{"INCR n", integer, ""},
		{"DEL n", first, ""},

		{"SCAN x", "-ERR invalid cursor\r\n", ""},
		{"SCAN 0 COUNT 0", syntax, ""},
		{"SCAN 0 COUNT x", integer, ""},
		{"SCAN 0 FOO x", syntax, ""},
		{"SCAN 0 MATCH", syntax, ""},
		{"SCAN 0 MATCH a COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", ""},
		{"SCAN 0 MATCH n*e COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nnone\r\n", ""},
		{"SCAN 0 TYPE hash COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
		{"SCAN 0 MATCH x* TYPE string", "*2\r\n$1\r\n0\r\n*0\r\n", ""},

		{"AUTH secret", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n", ""},
		{"AUTH default any", ok, ""},
		{"AUTH nobody any", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", ""},
		{"AUTH a b c", syntax, ""},
		{"CLIENT GETNAME", null, ""},
		{"CLIENT SETNAME me", ok, ""},
		{"CLIENT GETNAME", "$2\r\nme\r\n", ""},
		{"CONFIG GET nosuch", "*0\r\n", ""},
		{"HELLO 4", "-NOPROTO unsupported protocol version\r\n", ""},
		{"HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n", ""},
		{"HELLO 3 AUTH nobody x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", ""},
		{"COMMAND INFO nosuch", "*1\r\n$-1\r\n", ""},

		{"SELECT 5", ok, ""},
		{"GET a", null, ""},
		{"SET a other", ok, ""},
		{"SELECT 9", ok, ""},
		{"GET a", "$1\r\n1\r\n", ""},
		{"SELECT 5", ok, ""},
		{"DEL a", first, ""},
		{"SELECT Team", integer, "-ERR namespace: has 'T', want 1 to 63 of a-z, 0-9 and -\r\n"},
		{"SELECT team-a", integer, ok},
		{"RESET", "+RESET\r\n", ""},
		{"CLIENT GETNAME", null, ""},
		{"SELECT 9", ok, ""},

		// What the contract of kv bounds.
		{"SET <1025> 1", ok, "-ERR key: 1025 bytes long, want 1 to 1024\r\n"},
		{"SET \xff 1", ok, "-ERR key: not UTF-8\r\n"},
		{"GET \xff", "$1\r\n1\r\n", "-ERR key: not UTF-8\r\n"},
		{"SET  1", ok, "-ERR key: 0 bytes long, want 1 to 1024\r\n"},
		{"SET big <1048576>", ok, ""},
		{"STRLEN big", ":1048576\r\n", ""},
		{"SET big <1048577>", ok, "-ERR value: 1048577 bytes long, want at most 1048576\r\n"},
		{"SET big <5000000>", ok, "-ERR the command is larger than PLATFORM_MAX_MESSAGE allows\r\n"},
		{"DEL big", first, ""},
		{"QUIT", ok, ""},
	}
}

// TestScript: each command has the answer of Redis, or the one that the README tells.
func TestScript(t *testing.T) {
	w := dial(t, listen(t))
	w.want(ok, "SELECT", "9")
	for _, e := range script() {
		if got := w.ask(e.args()...); !e.ours(got) {
			t.Errorf("%.100s: got %.200q, want %.200q", e.command, got, cmp.Or(e.own, e.want))
		}
	}
	w.wantEnd()
}

// TestRedis: the script's answers are those of Redis.
func TestRedis(t *testing.T) {
	u := backends.URL(t, "redis")
	w := dial(t, u.Host)
	w.want(ok, "SELECT", "9")
	w.want(ok, "FLUSHDB")
	for _, e := range script() {
		if got := w.ask(e.args()...); got != e.want {
			t.Errorf("%.100s: got %.200q, want %.200q", e.command, got, e.want)
		}
	}
	w.wantEnd()
	w = dial(t, u.Host)
	w.want(ok, "SELECT", "9")
	w.want(ok, "FLUSHDB")
}
