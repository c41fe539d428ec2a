package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Verify reads an archive to its end.
func Verify(r io.Reader) (Summary, error) {
	return read(r, func(Head) error { return nil }, func(string, io.Reader) error { return nil })
}

// read reads an archive. begin gets what it says of itself, save each file of a store, as
// store/name, and may leave some of it unread.
func read(r io.Reader, begin func(Head) error, save func(name string, content io.Reader) error) (Summary, error) {
	in := &reading{tar: tar.NewReader(r)}
	if err := in.head(); err != nil {
		return Summary{}, err
	}
	if err := begin(in.Head); err != nil {
		return Summary{}, err
	}
	for {
		header, err := in.next()
		if err != nil {
			return Summary{}, err
		}
		if header.Name == sumsName {
			return in.Summary, in.end(header)
		}
		if err := in.file(header, save); err != nil {
			return Summary{}, err
		}
	}
}

// reading is an archive of which some was read.
type reading struct {
	Summary

	tar  *tar.Reader
	sums strings.Builder
}

func (r *reading) next() (*tar.Header, error) {
	header, err := r.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, refuse("it is cut off")
	case err != nil:
		return nil, unread(err)
	case header.Typeflag != tar.TypeReg:
		return nil, refuse("%q is no regular file", header.Name)
	}
	return header, nil
}

// unread is an error of the archive or of its source.
func unread(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse("it is cut off")
	case errors.Is(err, tar.ErrHeader):
		return refuse("it is no tar archive, or damaged")
	}
	return err
}

func (r *reading) head() error {
	header, err := r.next()
	if err != nil {
		return err
	}
	if header.Name != headName || header.Size > maxHead {
		return refuse("it does not begin with %s", headName)
	}
	return r.content(header, func(content io.Reader) error {
		err := json.NewDecoder(content).Decode(&r.Head)
		switch {
		case err != nil || r.Format < 1 || r.Service == "":
			return refuse("its %s is none", headName)
		case r.Format > Format:
			return refuse("its format, %d, is newer than those that this build reads, up to %d", r.Format, Format)
		}
		return nil
	})
}

// content has f read a file, reads the rest of it, and notes its sum.
func (r *reading) content(header *tar.Header, f func(io.Reader) error) error {
	sum := sha256.New()
	content := io.TeeReader(r.tar, sum)
	if err := f(content); err != nil {
		return unread(err)
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return unread(err)
	}
	if header.Name != sumsName {
		fmt.Fprintf(&r.sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), header.Name)
	}
	return nil
}

// storeName is the name of a folder that no process makes for itself: see Prefix.
var storeName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

func (r *reading) file(header *tar.Header, save func(name string, content io.Reader) error) error {
	store, _, ok := strings.Cut(header.Name, "/")
	if !ok || !storeName.MatchString(store) || !filepath.IsLocal(filepath.FromSlash(header.Name)) || header.Name != path.Clean(header.Name) {
		return refuse("%q is no file of a store", header.Name)
	}
	if !slices.Contains(r.Stores, store) {
		r.Stores = append(r.Stores, store)
	}
	r.Files++
	r.Bytes += header.Size
	return r.content(header, func(content io.Reader) error { return save(header.Name, content) })
}

// end compares the sums, and sees that nothing follows.
func (r *reading) end(header *tar.Header) error {
	err := r.content(header, func(content io.Reader) error {
		text, err := io.ReadAll(io.LimitReader(content, maxSums))
		if err == nil && string(text) != r.sums.String() {
			return refuse("files are not as they were written: their sums differ")
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return refuse("something follows after its end")
	}
	return nil
}
