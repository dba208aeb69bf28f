package config

import (
	"strings"
	"testing"
)

const mailIssuer = "issuer: https://id.example.com\n"

func TestMail(t *testing.T) {
	for text, want := range map[string]int{
		"":           587,
		"tls: tls":   465,
		"port: 2525": 2525,
		"tls: none, host: localhost, username: a, password: b": 25,
		`tls: none, host: "::1", username: a, password: b`:     25,
	} {
		host := "host: smtp.example.com, "
		if strings.Contains(text, "host") {
			host = ""
		}
		c, err := Parse("f", []byte(mailIssuer+"mail: {from: Example <id@example.com>, smtp: {"+host+text+"}}\n"), nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !c.Mail.On() || *c.Mail.SMTP.Port != want || len(c.Warnings) != 0 {
			t.Errorf("%s: %+v, %v", text, c.Mail, c.Warnings)
		}
	}
	c, err := Parse("f", []byte(mailIssuer), nil)
	if err != nil || c.Mail.On() {
		t.Errorf("there is mail without a configuration: %v", err)
	}
	c, err = Parse("f", []byte(mailIssuer), []string{"AUTHZD_MAIL_SMTP_HOST=smtp.example.com", "AUTHZD_MAIL_FROM=id@example.com"})
	if err != nil || !c.Mail.On() {
		t.Errorf("by variables: %v", err)
	}
}

func TestMailMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"mail: {from: a@example.com}":                                                                               "mail.smtp.host: is required",
		"mail: {smtp: {host: smtp.example.com}}":                                                                    `mail.from "": is required`,
		`mail: {from: "a@example.com, b@example.com", smtp: {host: smtp.example.com}}`:                              "mail.from",
		`mail: {from: "a@example.com\r\nBcc: b@example.com", smtp: {host: smtp.example.com}}`:                       "mail.from",
		`mail: {from: "\u202eA <a@example.com>", smtp: {host: smtp.example.com}}`:                                   "mail.from",
		"mail: {from: a@example.com, smtp: {host: 'smtps://smtp.example.com'}}":                                     "mail.smtp.host",
		"mail: {from: a@example.com, smtp: {host: 'unix:///run/smtp'}}":                                             "mail.smtp.host",
		"mail: {from: a@example.com, smtp: {host: smtp.example.com, username: a}}":                                  "mail.smtp.password: is required",
		"mail: {from: a@example.com, smtp: {host: smtp.example.com, password: a}}":                                  "mail.smtp.username: is required",
		"mail: {from: a@example.com, smtp: {host: smtp.example.com, username: a, password: the-secret, tls: none}}": "would send the password",
		"mail: {from: a@example.com, smtp: {host: smtp.example.com, tls: opportunistic}}":                           "mail.smtp.tls",
		"mail: {from: a@example.com, smtp: {host: smtp.example.com, timeout: 60s}}":                                 "mail.smtp.timeout",
	} {
		_, err := Parse("f", []byte(mailIssuer+text+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// Mails that others can read on their way are allowed, with a warning.
func TestMailWarns(t *testing.T) {
	c, err := Parse("f", []byte(mailIssuer+"mail: {from: a@example.com, smtp: {host: smtp.example.com, tls: none}}\n"), nil)
	if err != nil || len(c.Warnings) != 1 || c.Warnings[0].Key != "mail.smtp.tls" {
		t.Errorf("%v, %v", c, err)
	}
}
