package storetest

import (
	"math"
	"strconv"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
)

func incrementTests() []test {
	probe := func(k *kv) error {
		_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "a", Delta: 1})
		return err
	}
	return []test{
		{"Increment/Sums", probe, incrementSums},
		{"Increment/PutNumber", probe, incrementPutNumber},
		{"Increment/NotNumber", probe, incrementNotNumber},
		{"Increment/Overflow", probe, incrementOverflow},
		{"Increment/Limits", probe, incrementLimits},
		{"Increment/TTL", func(k *kv) error {
			_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "a", Delta: 1, TTL: time.Hour})
			return err
		}, incrementTTL},
		{"Increment/Concurrent", probe, incrementConcurrent},
	}
}

func incrementSums(k *kv) {
	last, want := uint64(0), int64(0)
	for _, delta := range []int64{5, 1, -10, 0, 4, -1, 1 << 40, -(1 << 41)} {
		want += delta
		sum, version := k.increment(store.Addition{Key: "n", Delta: delta})
		if sum != want {
			k.Fatalf("after adding %d: got %d, want %d", delta, sum, want)
		}
		k.wantLater("Increment", version, last)
		last = version
		got := k.get("n")
		if got.Version != version || string(got.Value) != strconv.FormatInt(want, 10) {
			k.Fatalf("got %q of version %d, want %d of version %d", got.Value, got.Version, want, version)
		}
	}
	if sum, _ := k.increment(store.Addition{Key: "zero"}); sum != 0 {
		k.Fatalf("0 added to nothing is %d", sum)
	}
	k.wantValue("zero", "0")
	k.delete("n")
	sum, version := k.increment(store.Addition{Key: "n", Delta: 7})
	if sum != 7 {
		k.Fatalf("7 added after Delete is %d", sum)
	}
	k.wantLater("Increment after Delete", version, last)
}

func incrementPutNumber(k *kv) {
	for value, want := range map[string]int64{"41": 42, "-1": 0, "0": 1, "-9223372036854775808": -math.MaxInt64} {
		k.set("n", value)
		if sum, _ := k.increment(store.Addition{Key: "n", Delta: 1}); sum != want {
			k.Fatalf("1 added to %s is %d", value, sum)
		}
		version := k.get("n").Version
		k.put(store.Write{Key: "n", Value: []byte("0"), IfVersion: version})
	}
}

func incrementNotNumber(k *kv) {
	for _, value := range []string{"", "x", "1x", "1.5", " 1", "1 ", "0x10", "1e3", "1_000", "-", "9223372036854775808"} {
		version := k.set("n", value)
		_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "n", Delta: 1})
		k.wantError("Increment of "+strconv.Quote(value), err, store.ErrNotNumber)
		if got := k.get("n"); string(got.Value) != value || got.Version != version {
			k.Fatalf("a refused Increment left %q of version %d", got.Value, got.Version)
		}
	}
}

func incrementOverflow(k *kv) {
	for _, c := range []struct{ value, delta int64 }{
		{math.MaxInt64, 1}, {1, math.MaxInt64}, {math.MinInt64, -1}, {-1, math.MinInt64},
		{math.MaxInt64, math.MaxInt64}, {math.MinInt64, math.MinInt64},
	} {
		value := strconv.FormatInt(c.value, 10)
		k.set("n", value)
		_, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "n", Delta: c.delta})
		k.wantError("Increment over the limit", err, store.ErrOverflow)
		k.wantValue("n", value)
	}
}

func incrementLimits(k *kv) {
	for _, c := range []struct{ value, delta, want int64 }{
		{math.MaxInt64 - 1, 1, math.MaxInt64}, {math.MinInt64 + 1, -1, math.MinInt64},
		{math.MaxInt64, math.MinInt64, -1}, {math.MinInt64, math.MaxInt64, -1}, {0, math.MinInt64, math.MinInt64},
	} {
		k.set("n", strconv.FormatInt(c.value, 10))
		sum, _ := k.increment(store.Addition{Key: "n", Delta: c.delta})
		if sum != c.want {
			k.Fatalf("%d and %d: got %d, want %d", c.value, c.delta, sum, c.want)
		}
		k.wantValue("n", strconv.FormatInt(c.want, 10))
	}
}

func incrementTTL(k *kv) {
	before := time.Now()
	k.increment(store.Addition{Key: "made", Delta: 1, TTL: time.Hour})
	k.wantExpiry("made", before, time.Hour)
	made := k.get("made").Expires
	k.increment(store.Addition{Key: "made", Delta: 1, TTL: 10 * time.Hour})
	k.wantNear("expiry of an item that is there", k.get("made").Expires, made)
	k.increment(store.Addition{Key: "made", Delta: 1})
	k.wantNear("expiry of an item that is there", k.get("made").Expires, made)

	k.set("forever", "1")
	k.increment(store.Addition{Key: "forever", Delta: 1, TTL: time.Hour})
	if got := k.get("forever").Expires; !got.IsZero() {
		k.Fatalf("adding to an item that does not end made it end at %v", got)
	}
}

func incrementConcurrent(k *kv) {
	const callers, times = 50, 20
	seen := make([][]int64, callers)
	k.together(callers, func(i int) error {
		for range times {
			sum, _, err := k.store.Increment(k.Context(), k.ns, store.Addition{Key: "n", Delta: 1})
			if err != nil {
				return err
			}
			seen[i] = append(seen[i], sum)
		}
		return nil
	})
	k.wantValue("n", strconv.Itoa(callers*times))
	answered := make(map[int64]bool)
	for _, sums := range seen {
		for _, sum := range sums {
			if answered[sum] {
				k.Fatalf("two callers were answered %d", sum)
			}
			answered[sum] = true
		}
	}
}
