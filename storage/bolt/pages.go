package bolt

import (
	"encoding/binary"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// A page of bbolt, in the byte order of the machine:
//
//	id 8, flags 2, items 2, overflow 4: so many more pages belong to it
//	branch item: pos 4, key length 4, page 8
//	leaf item:   flags 4, pos 4, key length 4, value length 4
//
// pos is from the item's own beginning. The value of a leaf item whose flags are 1 begins with the root page
// of a bucket, 0 if its items follow right there.
const (
	pageItem      = 16
	branchPage    = 1
	leafPage      = 2
	bucketItem    = 1
	bucketRootLen = 8
)

// pageWalk goes through the pages of a database as they are in the file. bbolt trusts them: a page that leads
// back to one above it, or has lost its items, keeps it busy until there is no memory left.
type pageWalk struct {
	tx    *bbolt.Tx // whose list of free pages is loaded
	file  io.ReaderAt
	size  int64 // bytes of a page
	end   int64 // number of pages
	seen  map[int64]bool
	roots []int64
}

// walkPages returns errDamaged unless all pages that can be reached are what those that lead there say.
func walkPages(tx *bbolt.Tx, file io.ReaderAt) error {
	size := int64(tx.DB().Info().PageSize)
	w := &pageWalk{tx: tx, file: file, size: size, end: tx.Size() / size, seen: make(map[int64]bool)}
	w.roots = []int64{int64(tx.Cursor().Bucket().Root())}
	for len(w.roots) > 0 {
		root := w.roots[0]
		w.roots = w.roots[1:]
		if err := w.walk(root, true); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) walk(id int64, root bool) error {
	damaged := func(what string) error { return fmt.Errorf("%w: page %d %s", errDamaged, id, what) }
	if id < 2 || id >= w.end {
		return damaged("is not there")
	}
	if w.seen[id] {
		return damaged("is used twice")
	}
	w.seen[id] = true
	if info, err := w.tx.Page(int(id)); err != nil || info == nil || info.Type == "free" {
		return damaged("is in use, and free for others")
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
	page := make([]byte, (1+overflow)*w.size)
	if _, err := w.file.ReadAt(page, id*w.size); err != nil {
		return err
	}
	if pageHeader+items*pageItem > int64(len(page)) {
		return damaged("has more items than room")
	}
	for i := range items {
		at := pageHeader + i*pageItem
		item := page[at:]
		if flags == branchPage {
			if at+int64(order.Uint32(item))+int64(order.Uint32(item[4:])) > int64(len(page)) {
				return damaged("has a key beyond its end")
			}
			if err := w.walk(int64(order.Uint64(item[8:])), false); err != nil {
				return err
			}
			continue
		}
		value := at + int64(order.Uint32(item[4:])) + int64(order.Uint32(item[8:]))
		length := int64(order.Uint32(item[12:]))
		if value+length > int64(len(page)) {
			return damaged("has a value beyond its end")
		}
		if order.Uint32(item)&bucketItem != 0 {
			if length < 2*bucketRootLen {
				return damaged("has half a table")
			}
			if next := int64(order.Uint64(page[value:])); next != 0 {
				w.roots = append(w.roots, next)
			} else if !soundInline(page[value+2*bucketRootLen : value+length]) {
				return damaged("has a damaged table")
			}
		}
	}
	return nil
}

// soundInline reports whether the page of a small table, which stands in a value, is a leaf whose items end where
// it does.
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
		item := page[at:]
		if at+int64(order.Uint32(item[4:]))+int64(order.Uint32(item[8:]))+int64(order.Uint32(item[12:])) > int64(len(page)) {
			return false
		}
	}
	return true
}
