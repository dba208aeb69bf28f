package bolt

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// lockHolder returns the id of the process that has locked a file, or 0 if /proc/locks does not name it. A
// line there looks like this,
//
//	1: FLOCK  ADVISORY  WRITE 4242 fe:00:131074 0 EOF
//
// with the device in hexadecimal and the inode in decimal.
func lockHolder(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) == 8 && f[1] == "FLOCK" && f[5] == file {
			pid, _ := strconv.Atoi(f[4])
			return max(pid, 0)
		}
	}
	return 0
}

// mapLimit is how many bytes of its mapped files, including its program, the process keeps in its page
// tables.
const mapLimit = 48 << 20

// trim takes the database's pages out of the process's page tables if there are too many. They stay in the
// kernel's cache, so the next read of one costs less than a microsecond. Otherwise every page that was read
// once would count as memory of the process as long as it runs, and containers limit that.
func (g *guarded) trim() {
	if mappedBytes() < mapLimit {
		return
	}
	_ = g.view(func(tx *bbolt.Tx) error {
		unmapPages(tx)
		return nil
	})
}

// unmapPages does the work of trim. It runs in a transaction, which keeps bbolt from moving the map; all
// pages of the transaction are within the map.
func unmapPages(tx *bbolt.Tx) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, tx.DB().Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
}

// mappedBytes returns how much of its mapped files the process has in its page tables, or 0 if unknown.
func mappedBytes() int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared int // in pages
	if _, err := fmt.Sscan(string(b), &size, &resident, &shared); err != nil {
		return 0
	}
	return shared * os.Getpagesize()
}

// freeBytes returns how much room the disk of a folder has for this process.
func freeBytes(folder string) (free uint64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}
