package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// unixSocket is a kind of Unix socket.
type unixSocket struct {
	name, key string      // in messages, and in the configuration
	mode      fs.FileMode // of the socket: who may connect
	folder    fs.FileMode // of its folder, if that is made
}

var (
	operatorSocket = unixSocket{"admin socket", "admin.socket", 0o600, 0o700} // for its owner alone
	proxySocket    = unixSocket{"socket", "socket", 0o660, 0o750}             // for its group too, such as that of nginx
)

// listen opens a Unix socket. It replaces a socket that a killed process has left, but not one that answers, and nothing
// that is not a socket.
func (s unixSocket) listen(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, hinted{fmt.Errorf("%s %s: another process listens on it", s.name, path), "stop the other authzd, or set " + s.key}
	}
	if err := s.remove(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), s.folder); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	old := syscall.Umask(int(0o777 &^ s.mode)) // so that others can't connect at any moment
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would also remove a file that has replaced ours
	made, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return &socketListener{Listener: l, path: path, made: made}, nil
}

// remove removes the socket at a path, if there is one.
func (s unixSocket) remove(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", s.name, err)
	case info.Mode().Type() != fs.ModeSocket:
		return hinted{fmt.Errorf("%s: %s exists and is not a socket", s.name, path), "set " + s.key + " to a path where there is nothing, or move away what is there"}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// socketListener removes its socket when it is closed, if it is still its own.
type socketListener struct {
	net.Listener
	path string
	made fs.FileInfo
}

func (l *socketListener) Close() error {
	err := l.Listener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(l.made, now) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}
