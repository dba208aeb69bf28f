package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// holdHangups keeps SIGHUP from ending the process until it is released. Many tools send it to make a program
// read its configuration again, which authzd can't.
func holdHangups() (release func()) {
	held := make(chan os.Signal, 1)
	signal.Notify(held, syscall.SIGHUP)
	return func() { signal.Stop(held) }
}

// logHangups logs that a SIGHUP does nothing, until it is stopped.
func logHangups(logger *slog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				logger.Warn("SIGHUP is ignored", "do", "restart authzd to read its configuration; a renewed certificate is read without a restart")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}
