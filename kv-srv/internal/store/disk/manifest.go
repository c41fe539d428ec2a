package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The engine takes a damaged record of its manifest, which lists its files, for one that
// a crash cut off, and removes the files that later records list. So manifests are
// checked before. They are in the format of LevelDB's log: blocks of 32 KiB, in each
// chunks of a checksum, a length, a type and that many bytes.
const (
	manifestBlock = 32 << 10
	manifestChunk = 4 + 2 + 1 // before the bytes
)

// checkManifests returns an error that names the manifest that is damaged.
func checkManifests(fs vfs.FS, path string) error {
	names, err := fs.List(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "MANIFEST-") {
			continue
		}
		f, err := fs.Open(fs.PathJoin(path, name))
		if err != nil {
			return err
		}
		err = checkManifest(f)
		_ = f.Close() // was only read
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// checkManifest returns an error if a chunk that is not the last one is damaged.
func checkManifest(f vfs.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	block := make([]byte, manifestBlock)
	for at := int64(0); at < info.Size(); at += manifestBlock {
		n, err := f.ReadAt(block[:min(manifestBlock, info.Size()-at)], at)
		if err != nil && err != io.EOF { //nolint:errorlint // as io.ReaderAt says
			return err
		}
		if i := damagedChunk(block[:n]); i >= 0 && at+int64(i) < info.Size() {
			return fmt.Errorf("the file is damaged at byte %d", at+int64(i))
		}
	}
	return nil
}

// damagedChunk returns where the first damaged chunk of a block ends, as its length says,
// or -1.
func damagedChunk(block []byte) int {
	for i := 0; i+manifestChunk <= len(block); {
		end := i + manifestChunk + int(binary.LittleEndian.Uint16(block[i+4:]))
		if end > len(block) {
			return end
		}
		if binary.LittleEndian.Uint32(block[i:]) != mask(block[i+6:end]) {
			return end
		}
		i = end
	}
	return -1
}

func mask(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return c>>15 | c<<17 + 0xa282ead8
}
