package disk

import (
	"errors"
	"fmt"
	"os"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// misplacedSuffix is what the name of a segment file gets that another file stands in the way of.
const misplacedSuffix = ".misplaced"

// arrange gives segment files that stand under another's name, as a restore by hand may leave them, their own name
// back; the header tells it. One whose place is taken by the right file is set aside: it is a copy. A file whose
// header is damaged stays where it is.
func (b *Buffer) arrange() error {
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	moved := map[uint64]string{} // own number -> where it stands now
	for _, id := range ids {
		path := segmentPath(b.logDir, id)
		head, err := readHead(path)
		if err != nil {
			return err
		}
		log, own, _, err := parseSegmentHeader(head)
		if err != nil || own == id || log != b.id {
			continue
		}
		aside := path + misplacedSuffix
		if err := os.Rename(path, aside); err != nil {
			return err
		}
		b.logger.Warn("a segment of the buffer stands under another's name",
			"name", fmt.Sprintf("%016x", id), "segment", fmt.Sprintf("%016x", own))
		if _, twice := moved[own]; !twice {
			moved[own] = aside
		}
	}
	if len(moved) == 0 {
		return nil
	}
	for own, aside := range moved {
		path := segmentPath(b.logDir, own)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if err := os.Rename(aside, path); err != nil {
				return err
			}
		}
	}
	return vfs.System{}.SyncDir(b.logDir)
}
