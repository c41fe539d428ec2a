package resp

import "strings"

// pattern is a glob of Redis: * ? [abc] [^a-z] and \ before what means itself.
type pattern struct {
	prefix string // that it begins with
	rest   string // of the glob
}

func newPattern(glob string) pattern {
	var prefix strings.Builder
	i := 0
	for ; i < len(glob); i++ {
		c := glob[i]
		if c == '*' || c == '?' || c == '[' {
			break
		}
		if c == '\\' && i+1 < len(glob) {
			i++
			c = glob[i]
		}
		prefix.WriteByte(c)
	}
	return pattern{prefix.String(), glob[i:]}
}

// matches tells of a key that has the prefix whether it is one of these. It takes time in
// the order of the product of both lengths at most.
func (p pattern) matches(key string) bool {
	glob, text := p.rest, key[len(p.prefix):]
	if glob == "*" {
		return true
	}
	g, k := 0, 0
	star, from := -1, 0 // the last *, and where what it stands for may end
	for k < len(text) {
		if g < len(glob) && glob[g] == '*' {
			star, from = g, k
			g++
			continue
		}
		if n := one(glob[g:], text[k]); n > 0 {
			g, k = g+n, k+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		g, k = star+1, from
	}
	return strings.Trim(glob[g:], "*") == ""
}

// one returns how long the part of a glob is that stands for a byte, 0 where it stands for
// others.
func one(glob string, c byte) int {
	switch {
	case glob == "":
		return 0
	case glob[0] == '?':
		return 1
	case glob[0] == '[':
		if n, in := set(glob, c); in {
			return n
		}
		return 0
	case glob[0] == '\\' && len(glob) > 1:
		if glob[1] == c {
			return 2
		}
		return 0
	case glob[0] == c:
		return 1
	}
	return 0
}

// set returns how long the set is that a glob begins with, and whether it has a byte. One
// that is not closed ends with the glob.
func set(glob string, c byte) (n int, in bool) {
	i := 1
	not := i < len(glob) && glob[i] == '^'
	if not {
		i++
	}
	for ; i < len(glob) && glob[i] != ']'; i++ {
		switch {
		case glob[i] == '\\' && i+1 < len(glob):
			i++
			in = in || glob[i] == c
		case i+2 < len(glob) && glob[i+1] == '-':
			low, high := min(glob[i], glob[i+2]), max(glob[i], glob[i+2])
			in = in || c >= low && c <= high
			i += 2
		default:
			in = in || glob[i] == c
		}
	}
	return min(i+1, len(glob)), in != not
}
