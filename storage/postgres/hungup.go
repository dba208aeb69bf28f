package postgres

import (
	"net"
	"syscall"
)

// hungUp reports, without waiting, whether the server has closed an idle connection or has announced that: a
// server sends nothing else on one.
func hungUp(conn net.Conn) bool {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // below TLS
		conn = c.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	silent := false
	// Control, since Read would wait for the reader that pgx leaves on a connection after a slow write.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err != nil || !silent
}
