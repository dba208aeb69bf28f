package acceptance

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"regexp"
	"strings"
	"sync"

	"github.com/authzd/authzd/authz/mail/mailtest"
)

// letters keeps the newest link of a mail to each address, until somebody takes it.
type letters struct {
	server *mailtest.Server

	mu    sync.Mutex
	links map[string]string // path and query, by address
}

// letterbox gets the mails to all actors of this process.
var letterbox = sync.OnceValue(func() *letters {
	l := &letters{links: make(map[string]string)}
	var err error
	l.server, err = mailtest.Open(mailtest.Config{PlainOnly: true, Text: func(_ int, m mailtest.Mail) error { l.keep(m); return nil }})
	if err != nil {
		panic(err) // there is no loopback
	}
	return l
})

var linkInMail = regexp.MustCompile(`/verify\?link=[A-Za-z0-9_.%-]+`)

func (l *letters) keep(m mailtest.Mail) {
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(m.Data)))
	link := linkInMail.FindString(string(text))
	if err != nil || link == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.links[m.To] = link
}

// take returns the link of the mail to an address, "" if none has come yet.
func (l *letters) take(address string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	link := l.links[address]
	delete(l.links, address)
	return link
}

// forPeople is the configuration in which people sign up. Each has an address of their own, as the limits of a single
// one are too low for a load.
func forPeople() string {
	const text = `
accounts: {registration: open}
mail: {from: Example <id@example.com>, smtp: {host: %s, port: %d, tls: none}}
trusted_proxies: [127.0.0.1/32]
`
	return fmt.Sprintf(text, mailtest.Host, letterbox().server.Port)
}
