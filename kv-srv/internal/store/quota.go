package store

import "fmt"

// Quota bounds what a namespace may hold. 0: no bound.
type Quota struct {
	Keys  int64
	Bytes int64 // of keys, values and metadata: see Item.Size
}

// Quotas returns the quota of a namespace. It may be nil: no namespace has one.
type Quotas func(namespace string) Quota

// QuotaError is the answer to a write for which a namespace has no quota left.
type QuotaError struct {
	Namespace string
	Unit      string // "keys" or "bytes"
	Max       int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("namespace %s may hold %d %s", e.Namespace, e.Max, e.Unit)
}

// Check returns a *QuotaError for a write after which a namespace would hold so many
// keys and bytes, some of which it adds. A write that adds none of what there is too
// much of is allowed.
func (q Quotas) Check(namespace string, keys, addedKeys, bytes, addedBytes int64) error {
	if q == nil {
		return nil
	}
	most := q(namespace)
	switch {
	case most.Keys > 0 && addedKeys > 0 && keys > most.Keys:
		return &QuotaError{namespace, "keys", most.Keys}
	case most.Bytes > 0 && addedBytes > 0 && bytes > most.Bytes:
		return &QuotaError{namespace, "bytes", most.Bytes}
	}
	return nil
}
