package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// A page of bbolt, in the machine's byte order:
//
//	id 8, flags 2, items 2, overflow 4: so many more pages belong to it
//	branch item: pos 4, key length 4, page 8
//	leaf item:   flags 4, pos 4, key length 4, value length 4
//
// pos counts from the beginning of the item. If the flags of a leaf item are 1, its value begins with the
// root page of a bucket, or with 0 if the bucket's items follow directly.
const (
	pageItem      = 16
	branchPage    = 1
	leafPage      = 2
	bucketItem    = 1
	bucketRootLen = 8
)

// pageWalk checks the pages of a database as they are in the file. bbolt trusts them: a page that leads back
// to one above it, or has lost its items, would keep bbolt busy until memory runs out.
type pageWalk struct {
	file  io.ReaderAt
	size  int64                                 // bytes of a page
	end   int64                                 // number of pages
	free  func(id int64) (free bool, err error) // nil: unknown
	edges bool                                  // only the paths to the first and the last record of each table
	seen  map[int64]bool
	roots []int64
}

func newPageWalk(tx *bbolt.Tx, file io.ReaderAt) *pageWalk {
	size := int64(tx.DB().Info().PageSize)
	return &pageWalk{file: file, size: size, end: tx.Size() / size}
}

// walkPages returns errDamaged unless each reachable page is what the page that leads to it says. The list of
// free pages must be loaded.
func walkPages(tx *bbolt.Tx, file io.ReaderAt) error {
	w := newPageWalk(tx, file)
	w.free = func(id int64) (bool, error) {
		info, err := tx.Page(int(id))
		return info == nil || info.Type == "free", err
	}
	return w.run(rootOf(tx))
}

// walkEdges is walkPages for the pages that lead to each table, and in it to the first and the last record.
// They are so few that a start can check them in a file of any size.
func walkEdges(tx *bbolt.Tx, file io.ReaderAt) error {
	w := newPageWalk(tx, file)
	w.edges = true
	return w.run(rootOf(tx))
}

// rootOf returns the page that leads to all tables.
func rootOf(tx *bbolt.Tx) int64 { return int64(tx.Cursor().Bucket().Root()) }

func (w *pageWalk) run(root int64) error {
	w.seen = make(map[int64]bool)
	if err := w.walk(root, true, false); err != nil {
		return err
	}
	for len(w.roots) > 0 {
		root, w.roots = w.roots[0], w.roots[1:]
		if err := w.walk(root, true, w.edges); err != nil {
			return err
		}
	}
	return nil
}

// walk checks a page, the root of a tree or one below, and the pages that it leads to; with edges, only the
// first and the last of them.
func (w *pageWalk) walk(id int64, root, edges bool) error {
	damaged := func(what string) error { return fmt.Errorf("%w: page %d %s", errDamaged, id, what) }
	if id < 2 || id >= w.end {
		return damaged("is not there")
	}
	if w.seen[id] {
		return damaged("is used twice")
	}
	w.seen[id] = true
	if w.free != nil {
		if free, err := w.free(id); err != nil || free {
			return damaged("is in use, and free for others")
		}
	}
	order := binary.NativeEndian
	head := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(head, id*w.size); err != nil {
		return err
	}
	flags, items, overflow := order.Uint16(head[8:]), int64(order.Uint16(head[10:])), int64(order.Uint32(head[12:]))
	switch {
	case order.Uint64(head) != uint64(id):
		return damaged("says that it is another one")
	case flags != branchPage && flags != leafPage:
		return damaged("is of no known kind")
	case overflow >= w.end-id:
		return damaged("goes on beyond the end")
	case items == 0 && (flags == branchPage || !root):
		return damaged("has no items")
	}
	room := (1 + overflow) * w.size
	if pageHeader+items*pageItem > room {
		return damaged("has more items than room")
	}
	for i := int64(1); i <= overflow && !w.edges; i++ { // so that the size of the file bounds the work
		if w.seen[id+i] {
			return damaged("goes on where another is")
		}
		w.seen[id+i] = true
	}
	page := make([]byte, pageHeader+items*pageItem) // not what the items point to, which can be large
	if _, err := w.file.ReadAt(page, id*w.size); err != nil {
		return err
	}
	used := int64(len(page))
	for i := range items {
		at := pageHeader + i*pageItem
		item := page[at:]
		if flags == branchPage {
			if edges && i != 0 && i != items-1 {
				continue
			}
			if at+int64(order.Uint32(item))+int64(order.Uint32(item[4:])) > room {
				return damaged("has a key beyond its end")
			}
			if err := w.walk(int64(order.Uint64(item[8:])), false, edges); err != nil {
				return err
			}
			continue
		}
		value, length := leafValue(item, at)
		if used += int64(order.Uint32(item[8:])) + length; value+length > room || used > room {
			return damaged("has a value beyond its end")
		}
		if order.Uint32(item)&bucketItem != 0 {
			if err := w.table(id*w.size+value, length); err != nil {
				return damaged(err.Error())
			}
		}
	}
	return nil
}

// leafValue returns the position and length of a leaf item's value. The item is at an offset of the page.
func leafValue(item []byte, at int64) (value, length int64) {
	order := binary.NativeEndian
	return at + int64(order.Uint32(item[4:])) + int64(order.Uint32(item[8:])), int64(order.Uint32(item[12:]))
}

// table checks a value that is a table: it notes the root page, or checks the items if they are in the value.
func (w *pageWalk) table(at, length int64) error {
	if length < 2*bucketRootLen || length > w.size {
		return errors.New("has half a table")
	}
	value := make([]byte, length)
	if _, err := w.file.ReadAt(value, at); err != nil {
		return err
	}
	if root := int64(binary.NativeEndian.Uint64(value)); root != 0 {
		w.roots = append(w.roots, root)
	} else if !soundInline(value[2*bucketRootLen:]) {
		return errors.New("has a damaged table")
	}
	return nil
}

// soundInline reports whether the page of a small table, which is inside a value, is a leaf whose items end
// exactly at its end.
func soundInline(page []byte) bool {
	order := binary.NativeEndian
	if len(page) < pageHeader || order.Uint16(page[8:]) != leafPage {
		return false
	}
	items := int64(order.Uint16(page[10:]))
	if pageHeader+items*pageItem > int64(len(page)) {
		return false
	}
	for i := range items {
		at := pageHeader + i*pageItem
		if value, length := leafValue(page[at:], at); value+length > int64(len(page)) {
			return false
		}
	}
	return true
}
