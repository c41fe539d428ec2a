package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// readiness is what a service must have to serve. The zero value is ready.
type readiness struct {
	mu     sync.Mutex
	checks []condition
	notes  []note
}

// note is what is to be known of a service, ready or not.
type note struct {
	name string
	text func() string
}

type condition struct {
	name  string
	check func(context.Context) error
}

func (r *readiness) add(name string, check func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, condition{name, check})
}

// missing returns what each failing condition says.
func (r *readiness) missing(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r.mu.Lock()
	checks := slices.Clone(r.checks)
	r.mu.Unlock()
	all := map[string]string{}
	for _, c := range checks {
		if err := c.check(ctx); err != nil {
			all[c.name] = err.Error()
		}
	}
	return all
}

func (r *readiness) addNote(name string, text func() string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, note{name, text})
}

// noted returns what there is to note.
func (r *readiness) noted() map[string]string {
	r.mu.Lock()
	notes := slices.Clone(r.notes)
	r.mu.Unlock()
	all := map[string]string{}
	for _, n := range notes {
		if s := n.text(); s != "" {
			all[n.name] = s
		}
	}
	return all
}

// err is nil for a service that can serve.
func (r *readiness) err(ctx context.Context) error {
	var errs []error
	for name, why := range r.missing(ctx) {
		errs = append(errs, fmt.Errorf("waiting for %s: %s", name, why))
	}
	return errors.Join(errs...)
}

// serve answers /readyz: 200, or 503 with what the service waits for, and notes beside.
func (r *readiness) serve(w http.ResponseWriter, req *http.Request) {
	answer := struct {
		Status  string            `json:"status"`
		Waiting map[string]string `json:"waiting,omitempty"`
		Notes   map[string]string `json:"notes,omitempty"`
	}{"ready", r.missing(req.Context()), r.noted()}
	status := http.StatusOK
	if len(answer.Waiting) > 0 {
		answer.Status, status = "waiting", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may have left
}
