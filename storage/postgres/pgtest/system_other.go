//go:build !linux

package pgtest

import (
	"syscall"
	"time"
)

func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}

// children is empty: the processes of a server that was killed notice by themselves.
func children(int) []int { return nil }

// CPU is not known.
func (s *Server) CPU() map[int]time.Duration { return nil }
