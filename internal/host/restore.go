package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/datadir"
	"github.com/micro/platform/internal/setting"
)

// restore is the command of a service's binary.
func restore(args []string, out io.Writer, s Service) int {
	replace := args[0] == "--replace"
	if replace {
		args = args[1:]
	}
	if len(args) != 1 {
		fmt.Fprintf(os.Stderr, "%[1]s restore: takes [--replace] FILE (%[1]s -h)\n", s.Name)
		return ExitUsage
	}
	in := os.Stdin
	if args[0] != "-" {
		f, err := os.Open(args[0]) //nolint:gosec // the operator names it
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return ExitUsage
		}
		defer f.Close()
		in = f
	}
	sum, err := Restore(Process{Getenv: os.Getenv}, s, in, replace)
	if err != nil {
		return ExitCode(os.Stderr, err)
	}
	fmt.Fprintf(out, "%d files, %d bytes, of %s\n", sum.Files, sum.Bytes, sum.Taken.Format(time.RFC3339))
	return 0
}

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
	sum, err := backup.Restore(r, s.Name, d.Path, replace)
	if errors.Is(err, backup.ErrThere) {
		err = fmt.Errorf("%w: --replace puts the backup in its place", err)
	}
	return sum, err
}
