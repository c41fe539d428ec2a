package etcd

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestLately: a name is looked up again after a minute, and when there are too many.
func TestLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lately
		if l.saw("a") {
			t.Error("saw a name before it was there")
		}
		l.see("a")
		time.Sleep(59 * time.Second)
		l.see("b")
		if !l.saw("a") || !l.saw("b") || l.saw("c") {
			t.Error("within a minute: want a and b alone")
		}
		time.Sleep(time.Second)
		if l.saw("a") || l.saw("b") {
			t.Error("remembered for longer than a minute")
		}
		for i := range maxLately + 1 {
			l.see(fmt.Sprint(i))
		}
		if len(l.names) != 1 || !l.saw(fmt.Sprint(maxLately)) {
			t.Errorf("remembers %d names, want the last one", len(l.names))
		}
	})
}
