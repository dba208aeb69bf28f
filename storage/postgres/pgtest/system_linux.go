package pgtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attributes start a process as another user, and end it with the thread that started it.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}
}

// children lists the processes that a process has started.
func children(pid int) (pids []int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for field := range strings.FieldsSeq(string(b)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// CPU is the processor time that each of the server's running processes has used, by its id.
func (s *Server) CPU() map[int]time.Duration {
	used := make(map[int]time.Duration)
	for _, pid := range children(s.cmd.Process.Pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			continue // it has ended
		}
		var onProcessor time.Duration
		if _, err := fmt.Sscan(string(b), &onProcessor); err == nil {
			used[pid] = onProcessor
		}
	}
	return used
}
