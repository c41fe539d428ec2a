package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micro/platform/internal/backup"
)

var head = backup.Head{Format: backup.Format, Service: "kv-srv", Version: "v1", Taken: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}

// folder makes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// content returns the files of a folder.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := backup.Write(t.Context(), &b, head, folder(t, files)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var files = map[string]string{
	"disk/MANIFEST": "1", "disk/000001.sst": strings.Repeat("sst", 100_000), "disk/empty": "", "disk/sub/folder/x": "y", "other/file": "z",
}

func TestRoundTrip(t *testing.T) {
	archive := write(t, files)
	want := backup.Summary{Head: head, Stores: []string{"disk", "other"}, Files: 5, Bytes: 300_003}
	if got, err := backup.Verify(bytes.NewReader(archive)); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Verify: got %+v, %v, want %+v", got, err, want)
	}
	dir := t.TempDir()
	if got, err := backup.Restore(bytes.NewReader(archive), "kv-srv", dir, false); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Restore: got %+v, %v, want %+v", got, err, want)
	}
	if diff := cmp.Diff(files, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestTools: what everybody has reads it.
func TestTools(t *testing.T) {
	for _, tool := range []string{"tar", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("REQUIRE_BACKENDS") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"tar", "-xf", "-"}, {"sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"}} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(write(t, files))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestThere(t *testing.T) {
	archive := write(t, map[string]string{"disk/a": "new"})
	dir := folder(t, map[string]string{"disk/a": "old", "disk/b": "old", "LOCK": ""})
	before := content(t, dir)
	if _, err := backup.Restore(bytes.NewReader(archive), "kv-srv", dir, false); !errors.Is(err, backup.ErrThere) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
	if _, err := backup.Restore(bytes.NewReader(archive), "kv-srv", dir, true); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]string{"disk/a": "new", "LOCK": ""}, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// entry is a file of an archive that somebody else wrote.
type entry struct {
	name, content string
	kind          byte
}

// forge writes an archive, with the right sums unless there are others.
func forge(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var sums strings.Builder
	for _, e := range append(entries, entry{name: "SHA256SUMS"}) {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.name == "SHA256SUMS" && e.content == "" {
			e.content = sums.String()
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(e.content)), e.name)
		h := &tar.Header{Name: e.name, Size: int64(len(e.content)), Typeflag: e.kind, Linkname: "target"}
		if e.kind != tar.TypeReg {
			h.Size, e.content = 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var first = entry{name: "backup.json", content: `{"format":1,"service":"kv-srv"}`}

// TestRefuses: what is no backup of the service changes nothing.
func TestRefuses(t *testing.T) {
	good := write(t, files)
	damaged := bytes.Clone(good)
	damaged[bytes.Index(damaged, []byte("sstsst"))] ^= 1
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"nothing":      {nil, "no backup: it is cut off"},
		"text":         {[]byte(strings.Repeat("no tar", 1000)), "no backup: it is no tar archive, or damaged"},
		"cut off":      {good[:len(good)/2], "no backup: it is cut off"},
		"no end":       {good[:bytes.LastIndex(good, []byte("SHA256SUMS"))], "no backup: it is cut off"},
		"damaged":      {damaged, "no backup: files are not as they were written: their sums differ"},
		"no head":      {forge(t, entry{name: "disk/a"}), "no backup: it does not begin with backup.json"},
		"bad head":     {forge(t, entry{name: "backup.json", content: "{}"}), "no backup: its backup.json is none"},
		"long head":    {forge(t, entry{name: "backup.json", content: strings.Repeat(" ", 2<<20)}), "no backup: it does not begin with backup.json"},
		"newer":        {forge(t, entry{name: "backup.json", content: `{"format":2,"service":"kv-srv"}`}), "no backup: its format, 2, is newer than those that this build reads, up to 1"},
		"another's":    {forge(t, entry{name: "backup.json", content: `{"format":1,"service":"db-srv"}`}), "no backup: it is that of db-srv, not of kv-srv"},
		"climbs":       {forge(t, first, entry{name: "disk/../../x"}), `no backup: "disk/../../x" is no file of a store`},
		"absolute":     {forge(t, first, entry{name: "/disk/x"}), `no backup: "/disk/x" is no file of a store`},
		"above":        {forge(t, first, entry{name: "../x/y"}), `no backup: "../x/y" is no file of a store`},
		"no store":     {forge(t, first, entry{name: "LOCK"}), `no backup: "LOCK" is no file of a store`},
		"lock":         {forge(t, first, entry{name: "LOCK/x"}), `no backup: "LOCK/x" is no file of a store`},
		"temporary":    {forge(t, first, entry{name: "tmp-1/x"}), `no backup: "tmp-1/x" is no file of a store`},
		"unclean":      {forge(t, first, entry{name: "disk//x"}), `no backup: "disk//x" is no file of a store`},
		"link":         {forge(t, first, entry{name: "disk/x", kind: tar.TypeSymlink}), `no backup: "disk/x" is no regular file`},
		"hard link":    {forge(t, first, entry{name: "disk/x", kind: tar.TypeLink}), `no backup: "disk/x" is no regular file`},
		"twice":        {forge(t, first, entry{name: "disk/x"}, entry{name: "disk/x"}), `no backup: "disk/x" is there twice`},
		"wrong sums":   {forge(t, first, entry{name: "disk/x"}, entry{name: "SHA256SUMS", content: "00  disk/x\n"}), "no backup: files are not as they were written: their sums differ"},
		"more follows": {forge(t, first, entry{name: "disk/x"}, entry{name: "SHA256SUMS"}, entry{name: "disk/y"}), "no backup: something follows after its end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"disk/a": "old", "LOCK": "", "PID": "1"})
			before := content(t, dir)
			_, err := backup.Restore(bytes.NewReader(c.archive), "kv-srv", dir, true)
			var refused *backup.Error
			if !errors.As(err, &refused) || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if diff := cmp.Diff(before, content(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSourceFails(t *testing.T) {
	want := errors.New("the network is gone")
	archive := io.MultiReader(bytes.NewReader(write(t, files)[:2000]), &failing{want})
	if _, err := backup.Restore(archive, "kv-srv", t.TempDir(), false); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzRestore: whatever it reads, nothing but stores is written, below its folder.
func FuzzRestore(f *testing.F) {
	f.Add(forge(f, first, entry{name: "disk/x", content: "y"}))
	f.Add(forge(f, first, entry{name: "disk/../x"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sum, err := backup.Restore(bytes.NewReader(archive), "kv-srv", dir, false)
		if all, e := os.ReadDir(top); e != nil || len(all) != 1 {
			t.Errorf("written outside: %v, %v", all, e)
		}
		all, e := os.ReadDir(dir)
		if e != nil {
			t.Fatal(e)
		}
		if err != nil && len(all) > 0 || err == nil && len(all) != len(sum.Stores) {
			t.Errorf("error %v, stores %v, but there is %v", err, sum.Stores, all)
		}
	})
}
