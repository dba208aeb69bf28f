package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// account is the user who signs in, and the client.
type account struct {
	username, password string
	client, secret     string // confidential, first party, with every grant type and rotation
	redirectURI        string
	scope              string // of the code flow
	refreshScope       string // without openid, so that a refresh makes no ID token
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// maxPages bounds a walk through pages.
const maxPages = 8

// signIn goes through the pages like a browser, up to the redirect to the client, and returns the cookies of the
// browser.
func (t *target) signIn() (cookies string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, Timeout: wait, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != t.addr {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	_, challenge := pkce()
	request := func() (*http.Response, error) {
		return browser.Get(t.url + "/authorize?" + t.authorizeQuery(t.scope, challenge))
	}
	for range maxPages {
		resp, err := request()
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return "", err
		}
		if location := resp.Header.Get("Location"); location != "" {
			_, err := parameter(location, "code")
			return cookieHeader(jar.Cookies(resp.Request.URL)), err
		}
		form, action, err := t.loginForm(string(body))
		if err != nil {
			return "", fmt.Errorf("%w at %s, status %d", err, resp.Request.URL.Path, resp.StatusCode)
		}
		next, err := resp.Request.URL.Parse(action)
		if err != nil {
			return "", err
		}
		if next.Host != t.addr {
			return "", fmt.Errorf("the sign-in leads to %s", next.Host)
		}
		request = func() (*http.Response, error) { return browser.PostForm(next.String(), form) }
	}
	return "", errors.New("the sign-in does not end")
}

// loginForm fills in the login page.
func (t *target) loginForm(page string) (form url.Values, action string, err error) {
	found := formAction.FindStringSubmatch(page)
	if found == nil || !strings.Contains(page, `id="login-submit"`) {
		return nil, "", errors.New("no login page")
	}
	form = url.Values{"username": {t.username}, "password": {t.password}}
	for _, field := range hiddenField.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return form, html.UnescapeString(found[1]), nil
}

func cookieHeader(cookies []*http.Cookie) string {
	pairs := make([]string, len(cookies))
	for i, c := range cookies {
		pairs[i] = c.Name + "=" + c.Value
	}
	return strings.Join(pairs, "; ")
}
