package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Write writes an archive of the folders in dir.
func Write(ctx context.Context, w io.Writer, head Head, dir string) error {
	head.Format = Format
	text, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return err
	}
	a := &archive{tar: tar.NewWriter(w), now: head.Taken}
	if err := a.add(headName, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() {
			return err
		}
		return a.addFile(root, name)
	})
	if err != nil {
		return err
	}
	sums := a.sums.String()
	if err := a.add(sumsName, int64(len(sums)), strings.NewReader(sums)); err != nil {
		return err
	}
	return a.tar.Close()
}

// archive is one that is written.
type archive struct {
	tar  *tar.Writer
	now  time.Time
	sums strings.Builder
}

func (a *archive) addFile(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	return a.add(filepath.ToSlash(name), info.Size(), io.LimitReader(f, info.Size())) // what still grows has ended here
}

// add adds a file and its sum.
func (a *archive) add(name string, size int64, content io.Reader) error {
	header := &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.now.Truncate(time.Second), Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(a.tar, io.TeeReader(content, sum)); err != nil {
		return err
	}
	if name != sumsName {
		fmt.Fprintf(&a.sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), name)
	}
	return nil
}
