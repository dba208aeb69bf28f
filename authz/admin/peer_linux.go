package admin

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID asks the kernel (SO_PEERCRED, unix(7)), so the process can't lie.
func peerUID(conn *net.UnixConn) (uid int, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var credentials *unix.Ucred
	if raw.Control(func(fd uintptr) {
		credentials, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}) != nil || err != nil {
		return 0, false
	}
	return int(credentials.Uid), true
}
