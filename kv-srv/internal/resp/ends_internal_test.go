package resp

import (
	"testing"
	"time"
)

// TestSoon: a moment that has not come yet is at least as far away as a time to live may be.
func TestSoon(t *testing.T) {
	now := time.UnixMilli(1000).Add(400 * time.Microsecond)
	for at, want := range map[int64]time.Duration{
		1001: time.Millisecond, 1002: 1600 * time.Microsecond, 1000: -400 * time.Microsecond, 0: -1000400 * time.Microsecond,
	} {
		if got := millisAt.ttl(at, now).AsDuration(); got != want {
			t.Errorf("at %d ms: %v, want %v", at, got, want)
		}
	}
}

// TestPartly: only where nothing was done a client may send a command again by itself.
func TestPartly(t *testing.T) {
	for text, want := range map[string]string{
		"TRYAGAIN too many calls": "UNAVAILABLE too many calls",
		"NOPERM not that key":     "NOPERM not that key",
	} {
		if got := partly(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
