package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/member"
)

func TestQuote(t *testing.T) {
	for value, want := range map[any]string{
		nil:                               "",
		"a":                               `"a"`,
		"a\nb\x1b":                        `"a\nb\x1b"`,
		member.Secret("hunter2"):          `"********"`,
		"https://u:p@h/":                  `"https://u:********@h/"`,
		"https://u@h/":                    `"https://u@h/"`,
		"https://h/u:p@h":                 `"https://h/u:p@h"`,
		"https://u:p@q@h":                 `"https://u:********@h"`,
		strings.Repeat("ä", 121):          `"` + strings.Repeat("ä", 120) + `"…`,
		"https://" + string([]byte{0xff}): "\"https://\ufffd\"",
	} {
		equal(t, fmt.Sprintf("%.20v", value), quote(value), want)
	}
}
