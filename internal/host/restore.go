package host

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/datadir"
	"github.com/micro/platform/internal/setting"
)

// Restore makes of a backup the folder that a service keeps its stores in, while the
// service does not run. It refuses to where there is a store already, unless replace is
// set.
func Restore(p Process, s Service, r io.Reader, replace bool) (backup.Summary, error) {
	v := setting.New(p.Getenv, s.settings())
	dir := filepath.Join(v.String("PLATFORM_DATA"), s.Name)
	if err := v.Err(); err != nil {
		return backup.Summary{}, &ConfigError{err}
	}
	d, err := datadir.Open(dir)
	if err != nil {
		return backup.Summary{}, fmt.Errorf("PLATFORM_DATA: %w", err)
	}
	defer d.Close()
	return backup.Restore(r, s.Name, d.Path, replace)
}
