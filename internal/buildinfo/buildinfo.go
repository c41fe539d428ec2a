// Package buildinfo tells which build is running.
package buildinfo

import (
	"fmt"
	"runtime/debug"
)

// version is what a build says that has no revision to look at: -ldflags '-X ...version=v1.2.3'.
var version string

// Version is what the build says, or the module's version, or the revision it was built
// from, or "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		return v
	case revision != "":
		return revision + dirty
	}
	return "devel"
}

// Line is what --version prints.
func Line(name string) string {
	goVersion := "go"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	return fmt.Sprintf("%s %s (%s)", name, Version(), goVersion)
}
