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

// listenSocket opens a Unix socket that only its owner may use. It replaces a socket that a killed process
// has left, but not one that answers, and nothing that is not a socket.
func listenSocket(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, hinted{fmt.Errorf("admin socket %s: another process listens on it", path), "stop the other authzd, or set admin.socket"}
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	old := syscall.Umask(0o177) // so that others can't connect at any moment
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would also remove a file that has replaced ours
	made, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return &socketListener{Listener: l, path: path, made: made}, nil
}

// removeSocket removes the socket at a path, if there is one.
func removeSocket(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("admin socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return hinted{fmt.Errorf("admin socket: %s exists and is not a socket", path), "set admin.socket to a path where there is nothing, or move away what is there"}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("admin socket: %w", err)
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
