//go:build !linux

package pgtest

import (
	"syscall"
	"time"
)

func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}

// children returns nothing: the processes of a killed server notice by themselves.
func children(int) []int { return nil }

// CPU is unknown.
func (s *Server) CPU() map[int]time.Duration { return nil }
