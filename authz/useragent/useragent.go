// Package useragent names the browser and the system of a request, for people who look at their sessions.
//
//	User-Agent, Sec-CH-UA, Sec-CH-UA-Platform -> Of -> "Chrome", "Windows"
//
// A client can say what it likes in these headers, so nothing is decided by them.
package useragent

import (
	"net/http"
	"strings"
	"sync"

	"github.com/medama-io/go-useragent"
	"github.com/medama-io/go-useragent/agents"
)

// Agent is what a request says of its sender. Either name may be empty: unknown.
type Agent struct {
	Browser string // Chrome, Safari, …
	System  string // Windows, iPhone, …
}

// maxHeader bounds what is read of a header, in bytes.
const maxHeader = 512

// parser is built when it is first needed: it takes 5 MiB.
var parser = sync.OnceValue(useragent.NewParser)

// Of returns the names from the headers of a request.
func Of(h http.Header) Agent {
	text := header(h, "User-Agent")
	if text == "" {
		return Agent{}
	}
	ua := parser().Parse(text)
	a := Agent{Browser: string(ua.Browser()), System: system(ua.OS(), text)}
	if brand := brand(header(h, "Sec-CH-UA")); brand != "" {
		a.Browser = brand
	}
	if name, ok := platforms[strings.Trim(header(h, "Sec-CH-UA-Platform"), `"`)]; ok {
		a.System = name
	}
	return a
}

func header(h http.Header, name string) string {
	value := h.Get(name)
	return value[:min(len(value), maxHeader)]
}

// brands are browsers that the client hints tell from Chrome and User-Agent does not always.
var brands = []struct{ brand, name string }{
	{`"Brave"`, "Brave"},
	{`"Microsoft Edge"`, "Edge"},
	{`"Opera"`, "Opera"},
	{`"Samsung Internet"`, "Samsung Internet"},
	{`"Vivaldi"`, "Vivaldi"},
	{`"YaBrowser"`, "Yandex Browser"},
}

// brand returns the browser that a Sec-CH-UA header names, "" if it is none of brands.
func brand(hint string) string {
	for _, b := range brands {
		if strings.Contains(hint, b.brand) {
			return b.name
		}
	}
	return ""
}

// platforms are the values of Sec-CH-UA-Platform, as people call them.
var platforms = map[string]string{
	"Android": "Android", "Chrome OS": "ChromeOS", "Chromium OS": "ChromeOS", "iOS": "iOS",
	"Linux": "Linux", "macOS": "Mac", "Windows": "Windows",
}

// system returns the system as people call it.
func system(os agents.OS, text string) string {
	switch {
	case strings.Contains(text, "(iPhone"):
		return "iPhone"
	case strings.Contains(text, "(iPad"):
		return "iPad"
	case os == agents.OSMacOS:
		return "Mac"
	}
	return string(os)
}
