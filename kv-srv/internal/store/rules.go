package store

import (
	"math"
	"strconv"
	"time"
)

// Sum adds to a number as it is stored. It returns ErrNotNumber or ErrOverflow.
func Sum(value []byte, delta int64) (int64, error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, ErrNotNumber
	}
	if delta > 0 && n > math.MaxInt64-delta || delta < 0 && n < math.MinInt64-delta {
		return 0, ErrOverflow
	}
	return n + delta, nil
}

// Size is what an item counts towards Query.MaxBytes.
func (i Item) Size() int {
	n := len(i.Key) + len(i.Value)
	for k, v := range i.Metadata {
		n += len(k) + len(v)
	}
	return n
}

// Expired tells whether an item is past its time.
func (i Item) Expired(now time.Time) bool {
	return !i.Expires.IsZero() && !i.Expires.After(now)
}

// Ends returns when an item that begins now ends, the zero time for never.
func Ends(now time.Time, ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return now.Add(ttl)
}
