package handler

import (
	"fmt"
	"slices"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// filter chooses instances.
type filter struct{ *discoverypb.Filter }

func (c *checks) filter(f *discoverypb.Filter) filter {
	most := func(list string, n int) {
		if n > maxFilter {
			c.Fail(list, "%d of them, want at most %d", n, maxFilter)
		}
	}
	most("filter.zones", len(f.GetZones()))
	most("filter.versions", len(f.GetVersions()))
	most("filter.metadata", len(f.GetMetadata()))
	most("filter.statuses", len(f.GetStatuses()))
	most("filter.instance_ids", len(f.GetInstanceIds()))
	for _, s := range f.GetStatuses() {
		c.status("filter.statuses", s)
	}
	return filter{f}
}

// words tell filters apart, for page tokens.
func (f filter) words() string {
	return fmt.Sprintf("%q %q %v %q %q", f.GetZones(), f.GetVersions(), f.GetStatuses(), f.GetInstanceIds(), f.GetMetadata()) // maps in order
}

func (f filter) has(i *discoverypb.Instance) bool {
	if f.Filter == nil {
		return true
	}
	for k, v := range f.GetMetadata() {
		own, ok := i.GetMetadata()[k]
		if !ok {
			own, ok = i.GetServiceMetadata()[k]
		}
		if !ok || own != v {
			return false
		}
	}
	return among(f.GetInstanceIds(), i.GetId()) && among(f.GetZones(), i.GetZone()) &&
		among(f.GetVersions(), i.GetVersion()) && among(f.GetStatuses(), i.GetStatus())
}

func among[T comparable](all []T, one T) bool { return len(all) == 0 || slices.Contains(all, one) }
