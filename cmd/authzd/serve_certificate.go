package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is read again when one of its files changes, so a renewal needs no restart.
type certificate struct {
	certFile, keyFile string
	watch             *watch

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed [2]time.Time // modification times of the loaded files
	checked time.Time
}

const certificateCheck = 10 * time.Second

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.checked) < certificateCheck {
		return c.loaded, nil
	}
	c.checked = time.Now()
	changed, err := modified(c.certFile, c.keyFile)
	if err == nil && c.loaded != nil && changed == c.changed {
		return c.loaded, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	switch {
	case err == nil:
		c.watch.certificateServed(c.certFile, pair.Leaf.NotAfter, c.loaded != nil)
		c.loaded, c.changed = &pair, changed
	case c.loaded == nil:
		return nil, fmt.Errorf("tls certificate: %w", err)
	default: // perhaps a half-written renewal
		c.watch.certificateKept(c.certFile, err)
	}
	return c.loaded, nil
}

// modified returns the modification times of the files.
func modified(certFile, keyFile string) (times [2]time.Time, err error) {
	for i, name := range []string{certFile, keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}
