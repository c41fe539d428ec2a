package resp

import (
	"maps"
	"slices"
)

// command is one that callers may send.
type command struct {
	name  string
	arity int // arguments with the name; below 0: so many at least
	run   func(t *session, args [][]byte)

	plain int // arguments with the name where several may be one call; 0: never
	many  func(t *session, args [][]byte)

	first, last, step int  // where keys are, as Redis has it; 0: nowhere
	write             bool // changes items
	open              bool // also for those who have not said who they are
}

// commands returns those that there are, by name.
func commands() map[string]*command {
	all := map[string]*command{}
	for _, c := range []command{
		{name: "ping", arity: -1, run: (*session).ping},
		{name: "echo", arity: 2, run: (*session).echo},
		{name: "quit", arity: -1, run: (*session).quit, open: true},
		{name: "reset", arity: 1, run: (*session).restart, open: true},
		{name: "auth", arity: -2, run: (*session).auth, open: true},
		{name: "hello", arity: -1, run: (*session).hello, open: true},
		{name: "select", arity: 2, run: (*session).choose},
		{name: "client", arity: -2, run: (*session).client},
		{name: "command", arity: -1, run: (*session).describe},
		{name: "config", arity: -2, run: (*session).config},
		{name: "info", arity: -1, run: (*session).info},
		{name: "dbsize", arity: 1, run: (*session).size},
		{name: "scan", arity: -2, run: (*session).scan},

		{name: "get", arity: 2, run: (*session).read, plain: 2, many: (*session).readTogether, first: 1, last: 1, step: 1},
		{name: "strlen", arity: 2, run: (*session).length, first: 1, last: 1, step: 1},
		{name: "mget", arity: -2, run: (*session).readMany, first: 1, last: -1, step: 1},
		{name: "exists", arity: -2, run: (*session).exists, first: 1, last: -1, step: 1},
		{name: "type", arity: 2, run: (*session).kind, first: 1, last: 1, step: 1},
		{name: "ttl", arity: 2, run: (*session).ttl, first: 1, last: 1, step: 1},
		{name: "pttl", arity: 2, run: (*session).pttl, first: 1, last: 1, step: 1},
		{name: "expiretime", arity: 2, run: (*session).expireTime, first: 1, last: 1, step: 1},
		{name: "pexpiretime", arity: 2, run: (*session).pexpireTime, first: 1, last: 1, step: 1},

		{name: "set", arity: -3, run: (*session).set, plain: 3, many: (*session).writeTogether, first: 1, last: 1, step: 1, write: true},
		{name: "setnx", arity: 3, run: (*session).setAbsent, first: 1, last: 1, step: 1, write: true},
		{name: "setex", arity: 4, run: (*session).setSeconds, first: 1, last: 1, step: 1, write: true},
		{name: "psetex", arity: 4, run: (*session).setMillis, first: 1, last: 1, step: 1, write: true},
		{name: "getset", arity: 3, run: (*session).swap, first: 1, last: 1, step: 1, write: true},
		{name: "getdel", arity: 2, run: (*session).take, first: 1, last: 1, step: 1, write: true},
		{name: "mset", arity: -3, run: (*session).setMany, first: 1, last: -1, step: 2, write: true},
		{name: "del", arity: -2, run: (*session).remove, first: 1, last: -1, step: 1, write: true},
		{name: "unlink", arity: -2, run: (*session).remove, first: 1, last: -1, step: 1, write: true},
		{name: "expire", arity: -3, run: (*session).expire, first: 1, last: 1, step: 1, write: true},
		{name: "pexpire", arity: -3, run: (*session).pexpire, first: 1, last: 1, step: 1, write: true},
		{name: "expireat", arity: -3, run: (*session).expireAt, first: 1, last: 1, step: 1, write: true},
		{name: "pexpireat", arity: -3, run: (*session).pexpireAt, first: 1, last: 1, step: 1, write: true},
		{name: "persist", arity: 2, run: (*session).persist, first: 1, last: 1, step: 1, write: true},
		{name: "incr", arity: 2, run: (*session).increment, first: 1, last: 1, step: 1, write: true},
		{name: "incrby", arity: 3, run: (*session).incrementBy, first: 1, last: 1, step: 1, write: true},
		{name: "decr", arity: 2, run: (*session).decrement, first: 1, last: 1, step: 1, write: true},
		{name: "decrby", arity: 3, run: (*session).decrementBy, first: 1, last: 1, step: 1, write: true},
	} {
		all[c.name] = &c
	}
	return all
}

// find returns nil for a name that is not there. Names have no case.
func (s *Server) find(name []byte) *command {
	var lower [16]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return s.commands[string(lower[:len(name)])]
}

// describe answers COMMAND, as far as clients ask for it.
func (t *session) describe(args [][]byte) {
	names := slices.Sorted(maps.Keys(t.server.commands))
	switch {
	case len(args) == 1:
	case is(args[1], "count"):
		t.out.integer(int64(len(names)))
		return
	case is(args[1], "docs"):
		t.out.dict(0)
		return
	case is(args[1], "info"):
		if names = nil; len(args) == 2 {
			names = slices.Sorted(maps.Keys(t.server.commands))
		}
		for _, name := range args[2:] {
			names = append(names, string(name))
		}
	default:
		t.unknownSubcommand("COMMAND", args[1])
		return
	}
	t.out.array(len(names))
	for _, name := range names {
		c := t.server.find([]byte(name))
		if c == nil {
			t.out.null()
			continue
		}
		c.describe(&t.out)
	}
}

func (c *command) describe(to *reply) {
	to.array(6)
	to.text(c.name)
	to.integer(int64(c.arity))
	flags := []string{"fast"}
	switch {
	case c.write:
		flags = append(flags, "write")
	case c.first > 0:
		flags = append(flags, "readonly")
	}
	to.array(len(flags))
	for _, flag := range flags {
		to.status(flag)
	}
	for _, n := range []int{c.first, c.last, c.step} {
		to.integer(int64(n))
	}
}
