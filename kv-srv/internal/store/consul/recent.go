package consul

import "sync"

// recent remembers what this process has written last under some names, which others may
// have changed since.
type recent[V any] struct {
	mu sync.Mutex
	of map[string]V
}

// maxRecent is how many names are remembered. The others cost a read each time.
const maxRecent = 10000

func (r *recent[V]) get(name string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.of[name]
	return v, ok
}

func (r *recent[V]) set(name string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || len(r.of) >= maxRecent {
		r.of = make(map[string]V)
	}
	r.of[name] = v
}

func (r *recent[V]) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, name)
}
