package near_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/micro/platform/kv-srv/internal/near"
)

// history is a service, a watch that is late, and callers whose answers come back in any
// order. It knows what the cache may return.
type history struct {
	cache   *near.Cache
	watch   *near.Watch  // nil: none runs
	late    []near.Event // what the watch has not delivered
	fetches []*answer    // under way
	version uint64

	now  map[string]near.Event // what the service has, by key
	told map[string]uint64     // the version of a key that nothing older may come after
}

// answer is that to a fetch. The service reads at some moment between its begin and end.
type answer struct {
	near.Fetch

	key  string
	read bool
	now  near.Event
}

var historyKeys = []string{"a", "ab", "b"}

func aKey(t *rapid.T) string { return rapid.SampledFrom(historyKeys).Draw(t, "key") }

// change is one that the service makes, and anybody has asked for.
func (h *history) change(key string, gone bool) {
	h.version++
	e := near.Event{Gone: gone, Item: near.Item{Key: key, Version: h.version}}
	if !gone {
		e.Item.Value = fmt.Append(nil, key, h.version)
	}
	h.now[key] = e
	if h.watch != nil {
		h.late = append(h.late, e)
	}
}

// tell says that a caller knows of what the service has now.
func (h *history) tell(key string, e near.Event) { h.told[key] = max(h.told[key], e.Item.Version) }

func (h *history) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": h.check,
		"others write": func(t *rapid.T) {
			h.change(aKey(t), rapid.Bool().Draw(t, "gone"))
		},
		"write": func(t *rapid.T) {
			key := aKey(t)
			h.change(key, rapid.Bool().Draw(t, "gone"))
			h.cache.Drop(key)
			h.tell(key, h.now[key])
		},
		"delete a prefix": func(t *rapid.T) {
			prefix := rapid.SampledFrom([]string{"", "a", "ab", "b"}).Draw(t, "prefix")
			for _, key := range historyKeys {
				if strings.HasPrefix(key, prefix) {
					h.change(key, true)
					h.tell(key, h.now[key])
				}
			}
			h.cache.DropPrefix(prefix)
		},
		"list": func(t *rapid.T) {
			if key := aKey(t); h.now[key].Item.Version > 0 && !h.now[key].Gone {
				h.cache.Told(key, h.now[key].Item.Version)
				h.tell(key, h.now[key])
			}
		},
		"ask": func(t *rapid.T) {
			key := aKey(t)
			h.fetches = append(h.fetches, &answer{key: key, Fetch: h.cache.Fetch(key)})
		},
		"read": func(t *rapid.T) {
			if a := h.fetch(t); !a.read {
				a.read, a.now = true, h.now[a.key]
			}
		},
		"answer": func(t *rapid.T) {
			a := h.fetch(t)
			if !a.read {
				a.now = h.now[a.key]
			}
			h.forget(a)
			switch {
			case rapid.IntRange(0, 9).Draw(t, "fails") == 0:
				a.Failed()
				return
			case a.now.Gone || a.now.Item.Version == 0:
				a.Missing()
			default:
				a.Done(a.now.Item)
			}
			h.tell(a.key, a.now)
		},
		"deliver": func(t *rapid.T) {
			if len(h.late) == 0 {
				t.Skip("nothing is late")
			}
			h.watch.See(h.late[0])
			h.late = h.late[1:]
		},
		"begin": func(*rapid.T) {
			h.watch, h.late = h.cache.Begin(), []near.Event{{Progress: true}}
		},
		"break": func(t *rapid.T) {
			if h.watch == nil {
				t.Skip("none runs")
			}
			h.watch.End()
			h.watch, h.late = nil, nil
		},
	}
}

// fetch is one that is under way.
func (h *history) fetch(t *rapid.T) *answer {
	if len(h.fetches) == 0 {
		t.Skip("nothing is asked")
	}
	return rapid.SampledFrom(h.fetches).Draw(t, "fetch")
}

func (h *history) forget(a *answer) {
	for i := range h.fetches {
		if h.fetches[i] == a {
			h.fetches = append(h.fetches[:i], h.fetches[i+1:]...)
			return
		}
	}
}

// check reads everything: it must be what was written, nothing older than what anybody was
// told, and, when the watch is not late, what the service has.
func (h *history) check(t *rapid.T) {
	for _, key := range historyKeys {
		i, ok := h.cache.Get(key)
		if !ok {
			continue
		}
		if i.Version < h.told[key] {
			t.Fatalf("%s is of version %d after somebody was told of %d", key, i.Version, h.told[key])
		}
		if h.watch == nil || len(h.late) == 0 && i.Version != h.now[key].Item.Version {
			t.Fatalf("%s is of version %d, and of %d in the service", key, i.Version, h.now[key].Item.Version)
		}
		if want := fmt.Sprint(key, i.Version); i.Key != key || string(i.Value) != want {
			t.Fatalf("%s is %q, want %q", key, i.Value, want)
		}
		h.told[key] = i.Version
	}
}

// TestHistories has everything happen in any order.
func TestHistories(t *testing.T) {
	for name, size := range map[string]int64{"roomy": 1 << 20, "tight": 700} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				h := &history{cache: near.New(size), now: map[string]near.Event{}, told: map[string]uint64{}}
				t.Repeat(h.actions())
			})
		})
	}
}
