package handler

import (
	"fmt"
	"maps"
	"slices"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// filter chooses instances.
type filter struct{ *discoverypb.Filter }

func (c *checks) filter(f *discoverypb.Filter) filter {
	for list, all := range map[string][]string{"filter.zones": f.GetZones(), "filter.versions": f.GetVersions()} {
		if len(all) > maxFilter {
			c.Fail(list, "%d of them, want at most %d", len(all), maxFilter)
		}
	}
	if len(f.GetMetadata()) > maxFilter {
		c.Fail("filter.metadata", "%d of them, want at most %d", len(f.GetMetadata()), maxFilter)
	}
	if len(f.GetStatuses()) > maxFilter {
		c.Fail("filter.statuses", "%d of them, want at most %d", len(f.GetStatuses()), maxFilter)
	}
	for _, s := range f.GetStatuses() {
		c.status("filter.statuses", s)
	}
	return filter{f}
}

// words tell filters apart, for page tokens.
func (f filter) words() string {
	return fmt.Sprintf("%q %q %v", f.GetZones(), f.GetVersions(), f.GetStatuses()) +
		fmt.Sprintf("%q", slices.Sorted(maps.Keys(f.GetMetadata()))) + fmt.Sprintf("%q", slices.Sorted(maps.Values(f.GetMetadata())))
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
	return among(f.GetZones(), i.GetZone()) && among(f.GetVersions(), i.GetVersion()) && among(f.GetStatuses(), i.GetStatus())
}

func among[T comparable](all []T, one T) bool { return len(all) == 0 || slices.Contains(all, one) }
