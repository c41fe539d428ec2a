package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Prefix begins the names of folders that are in the making. A process that opens the
// folder around them may remove them.
const Prefix = "tmp-"

// ErrThere means that there is such a store already.
var ErrThere = errors.New("there is data already")

// Restore makes the stores of an archive, which must be that of a service, in its folder.
// Unless replace is set it fails with ErrThere where there is one of them. All of them
// are on disk when it returns, or dir is as it was; an end of the process between the
// stores may leave some of them alone.
func Restore(r io.Reader, service, dir string, replace bool) (Summary, error) {
	temp, err := os.MkdirTemp(dir, Prefix)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = os.RemoveAll(temp) }() // else the next start does
	root, err := os.OpenRoot(temp)
	if err != nil {
		return Summary{}, err
	}
	defer root.Close()

	sum, err := read(r, func(h Head) error {
		if h.Service != service {
			return refuse("it is that of %s, not of %s", h.Service, service)
		}
		return nil
	}, func(name string, content io.Reader) error {
		store, _, _ := strings.Cut(name, "/")
		if _, err := os.Lstat(filepath.Join(dir, store)); err == nil && !replace {
			return fmt.Errorf("%w in %s", ErrThere, filepath.Join(dir, store))
		}
		return save(root, name, content)
	})
	if err != nil {
		return Summary{}, err
	}
	if err := sync(temp); err != nil {
		return Summary{}, err
	}
	for _, store := range sum.Stores {
		if err := put(temp, dir, store); err != nil {
			return Summary{}, err
		}
	}
	return sum, syncFolder(dir)
}

// save writes a file that is not there.
func save(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return refuse("%q is there twice", name)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// put moves a store to its place, and what was there to the temporary folder.
func put(temp, dir, store string) error {
	place, old := filepath.Join(dir, store), filepath.Join(temp, Prefix+store)
	err := os.Rename(place, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	moved := err == nil
	if err = os.Rename(filepath.Join(temp, store), place); err != nil && moved {
		err = errors.Join(err, os.Rename(old, place))
	}
	return err
}

// sync has the folders below dir on disk.
func sync(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncFolder(name)
	})
}

func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
