package resp

import (
	"bytes"
	"strings"

	"github.com/micro/platform/kv-srv/internal/handler"
)

// Compatible is the version of Redis whose answers these are.
const compatible = "7.2.0"

// maxGuesses is how often a connection may be wrong about the password.
const maxGuesses = 8

const (
	notKnown = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
	noNeed   = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	badName  = "ERR Client names cannot contain spaces, newlines or special characters, and have 1024 bytes at most."
)

// is tells whether a word of a command is that one, in whatever case.
func is(word []byte, want string) bool { return strings.EqualFold(string(word), want) }

func (t *session) ping(args [][]byte) {
	switch len(args) {
	case 1:
		t.out.status("PONG")
	case 2:
		t.out.bulk(args[1])
	default:
		t.wrongNumber("ping")
	}
}

func (t *session) echo(args [][]byte) { t.out.bulk(args[1]) }

func (t *session) quit([][]byte) {
	t.out.status("OK")
	t.over = true
}

func (t *session) restart([][]byte) {
	t.reset()
	t.out.status("RESET")
}

// choose answers SELECT: 0 is the default namespace, all else is a namespace's name.
func (t *session) choose(args [][]byte) {
	name := string(args[1])
	if name == "0" {
		name = ""
	}
	namespace, err := handler.Namespace(name)
	if err != nil {
		t.refuse(err)
		return
	}
	t.namespace = namespace
	t.out.status("OK")
}

func (t *session) auth(args [][]byte) {
	user, password := []byte("default"), args[len(args)-1]
	switch {
	case len(args) > 3:
		t.syntax()
		return
	case len(args) == 3:
		user = args[1]
	case t.server.conf.Password == "":
		t.out.fail(noNeed)
		return
	}
	if t.identify(user, password) {
		t.out.status("OK")
	}
}

// identify tells who the caller is, or answers that it is not.
func (t *session) identify(user, password []byte) bool {
	want := t.server.conf.Password
	if string(user) == "default" && (want == "" || t.server.isPassword(password)) {
		t.reader.Known, t.guesses = true, 0
		return true
	}
	t.out.fail("WRONGPASS invalid username-password pair or user is disabled.")
	t.server.wrong.Do(func() {
		t.server.conf.Log.Warn("a caller of the Redis protocol does not know the password", "peer", t.caller.Peer())
	})
	if t.guesses++; t.guesses >= maxGuesses {
		t.last()
	}
	return false
}

// hello answers HELLO [2|3 [AUTH user password] [SETNAME name]].
func (t *session) hello(args [][]byte) {
	v3 := t.out.v3
	if len(args) > 1 {
		switch string(args[1]) {
		case "2":
			v3 = false
		case "3":
			v3 = true
		default:
			t.out.fail("NOPROTO unsupported protocol version")
			return
		}
	}
	var user, password, name []byte
	for rest := args[min(2, len(args)):]; len(rest) > 0; {
		switch {
		case is(rest[0], "auth") && len(rest) > 2:
			user, password, rest = rest[1], rest[2], rest[3:]
		case is(rest[0], "setname") && len(rest) > 1:
			name, rest = rest[1], rest[2:]
		default:
			t.out.fail("ERR Syntax error in HELLO option '" + string(rest[0]) + "'")
			return
		}
	}
	switch {
	case user != nil && !t.identify(user, password):
		return
	case !t.reader.Known:
		t.out.fail(notKnown)
		return
	case !named(name):
		t.out.fail(badName)
		return
	case name != nil:
		t.name = string(name)
	}
	t.out.v3 = v3
	t.greet()
}

func (t *session) greet() {
	proto := int64(2)
	if t.out.v3 {
		proto = 3
	}
	t.out.dict(7)
	t.pair("server", "kv-srv")
	t.pair("version", compatible)
	t.out.text("proto")
	t.out.integer(proto)
	t.out.text("id")
	t.out.integer(t.id)
	t.pair("mode", "standalone")
	t.pair("role", "master")
	t.out.text("modules")
	t.out.array(0)
}

func (t *session) pair(key, value string) {
	t.out.text(key)
	t.out.text(value)
}

// named tells whether a caller may call itself that.
func named(name []byte) bool {
	return len(name) <= 1024 && !bytes.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' })
}

// client answers what clients ask for when they connect.
func (t *session) client(args [][]byte) {
	what, rest := args[1], args[2:]
	switch {
	case is(what, "setname") && len(rest) == 1:
		if !named(rest[0]) {
			t.out.fail(badName)
			return
		}
		t.name = string(rest[0])
		t.out.status("OK")
	case is(what, "getname") && len(rest) == 0:
		if t.name == "" {
			t.out.null()
			return
		}
		t.out.text(t.name)
	case is(what, "id") && len(rest) == 0:
		t.out.integer(t.id)
	case is(what, "setinfo") && len(rest) == 2: // of the client's library
		t.out.status("OK")
	default:
		t.unknownSubcommand("CLIENT", what)
	}
}

func (t *session) unknownSubcommand(of string, word []byte) {
	t.out.fail("ERR unknown subcommand '" + string(word[:min(len(word), 128)]) + "' of " + of + ", or a wrong number of arguments")
}
