package kvserver

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/internal/store"
)

// place is a store and what it is for.
type place struct {
	variable   string // that names it
	url        *url.URL
	namespaces []string // none: all that have no other place
	named      []string // of these, those that settings name all the same
	quotas     store.Quotas
}

// label tells of the namespaces in a metric.
func (p place) label() string {
	if len(p.namespaces) == 0 {
		return "*"
	}
	return strings.Join(p.namespaces, ",")
}

// readPlan returns the stores to open, one for each URL, that of KV_STORE first.
func readPlan(v *setting.Values) []place {
	checkRingSettings(v)
	plan := []place{{variable: storeVar, url: v.URL(storeVar)}}
	named, err := readStores(v.String(storesVar))
	if err != nil {
		v.Fail(storesVar, "%w", err)
	}
	quotas, err := readQuotas(v.String(quotasVar))
	if err != nil {
		v.Fail(quotasVar, "%w", err)
	}
	if v.Err() != nil {
		return nil
	}
	for _, p := range named {
		plan = join(plan, p)
	}
	if err := limit(plan, quotas, ringed(v)); err != nil {
		v.Fail(quotasVar, "%w", err)
	}
	if ringed(v) {
		checkRing(v, plan)
	}
	return plan
}

// checkRing wants one memory: for all that is in memory.
func checkRing(v *setting.Values, plan []place) {
	rings := 0
	for _, p := range plan {
		if p.url.Scheme == "memory" {
			rings++
		}
	}
	switch {
	case rings == 0:
		v.Fail(peersVar, "nothing is in memory:, which is what is shared with peers")
	case rings > 1:
		v.Fail(storesVar, "a ring is one store: write memory: in the same way each time")
	}
}

// join adds a place to a plan. A URL that is there already gets the namespaces, too: it is
// the same store.
func join(plan []place, p place) []place {
	i := slices.IndexFunc(plan, func(other place) bool { return other.url.String() == p.url.String() })
	switch {
	case i < 0:
		return append(plan, p)
	case i == 0: // that of KV_STORE has them anyway
		plan[i].named = append(plan[i].named, p.namespaces...)
	default:
		plan[i].namespaces = append(plan[i].namespaces, p.namespaces...)
	}
	return plan
}

// assignment is how an element of a list begins. What a comma is followed by else belongs
// to the URL before it.
var assignment = regexp.MustCompile(`^([^=,/:?@]*)=`)

// readStores reads billing=redis://a:6379,b:6379/0,sessions=memory: .
func readStores(s string) ([]place, error) {
	var names, values []string
	for i, part := range strings.Split(s, ",") {
		m := assignment.FindStringSubmatch(part)
		switch {
		case m != nil:
			names, values = append(names, m[1]), append(values, part[len(m[0]):])
		case i == 0 && part == "":
			return nil, nil
		case len(values) == 0:
			return nil, errors.New("want namespace=URL,namespace=URL")
		default:
			values[len(values)-1] += "," + part
		}
	}
	var all []place
	seen := map[string]bool{}
	for i, name := range names {
		if err := checkName(name, seen); err != nil {
			return nil, err
		}
		u, err := url.Parse(values[i])
		if err != nil || u.Scheme == "" {
			return nil, fmt.Errorf("%s: not a URL such as memory: or redis://host:6379/0", name)
		}
		all = append(all, place{variable: storesVar, url: u, namespaces: []string{name}})
	}
	return all, nil
}

var namespaceForm = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// checkName refuses what is no namespace, or there twice.
func checkName(name string, seen map[string]bool) error {
	if !namespaceForm.MatchString(name) {
		return fmt.Errorf("%q is no namespace: want 1 to 63 of a-z, 0-9 and -", name)
	}
	return once(name, seen)
}

func once(name string, seen map[string]bool) error {
	if seen[name] {
		return fmt.Errorf("%s is there twice", name)
	}
	seen[name] = true
	return nil
}
