// Package request names the writes whose answers a backend remembers.
package request

import (
	"crypto/sha256"
	"encoding/binary"
)

// Operation tells requests with the same ID apart.
type Operation byte

// The operations. Their numbers stay as they are: they are part of what is stored.
const (
	Put Operation = iota + 1
	Delete
	Increment
	Touch
)

// Name names a write that is remembered: the first half of the SHA-256 of its operation,
// namespace, key and ID, each string after its length.
type Name struct {
	Sum   [16]byte
	Given bool // false: there is no ID, and nothing to remember
}

// Of returns the name of a write.
func Of(op Operation, namespace, key, id string) Name {
	if id == "" {
		return Name{}
	}
	b := append(make([]byte, 0, 256), byte(op))
	for _, part := range []string{namespace, key, id} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return Name{Sum: [16]byte(sum[:]), Given: true}
}

// Answer is what a write returned.
type Answer struct {
	Sum     int64
	Version uint64
}
