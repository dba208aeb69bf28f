// Package useragent names the browser and the system of a request, for people who look at their sessions.
//
//	User-Agent, Sec-CH-UA, Sec-CH-UA-Platform -> Of -> "Chrome", "Windows"
//
// A client can say what it likes in these headers, so nothing is decided by them.
package useragent

import (
	"net/http"
	"strings"

	"github.com/mileusna/useragent"
)

// Agent is what a request says of its sender. Either name may be empty: unknown.
type Agent struct {
	Browser string // Chrome, Safari, …
	System  string // Windows, iPhone, …
}

// maxHeader bounds what is read of a header, in bytes.
const maxHeader = 512

// Of returns the names from the headers of a request.
func Of(h http.Header) Agent {
	text := header(h, "User-Agent")
	if text == "" {
		return Agent{}
	}
	ua := useragent.Parse(text)
	a := Agent{Browser: browsers[ua.Name], System: systems[ua.OS]}
	if a.Browser == "" && strings.Contains(text, " Chrome/") { // of an app, under a name of its choice
		a.Browser = "Chrome"
	}
	if brand := brand(header(h, "Sec-CH-UA")); brand != "" {
		a.Browser = brand
	}
	switch name, ok := platforms[strings.Trim(header(h, "Sec-CH-UA-Platform"), `"`)]; {
	case ok:
		a.System = name
	case ua.OS == useragent.IOS:
		a.System = ua.Device
	}
	return a
}

func header(h http.Header, name string) string {
	value := h.Get(name)
	return value[:min(len(value), maxHeader)]
}

// browsers are the browsers that User-Agent tells, as people call them. No other name that it has is shown.
var browsers = map[string]string{
	useragent.Chrome: "Chrome", useragent.HeadlessChrome: "Chrome", useragent.Edge: "Edge", useragent.Firefox: "Firefox",
	useragent.InternetExplorer: "Internet Explorer", useragent.Opera: "Opera", useragent.OperaMini: "Opera Mini",
	useragent.OperaTouch: "Opera", useragent.Safari: "Safari", useragent.SamsungBrowser: "Samsung Internet",
	useragent.Vivaldi: "Vivaldi", "Android browser": "Android browser", "Huawei Browser": "Huawei Browser",
	"Miui Browser": "Mi Browser", "Silk": "Amazon Silk", "YaBrowser": "Yandex Browser",
}

// systems are the systems that User-Agent tells, as people call them.
var systems = map[string]string{
	useragent.Android: "Android", useragent.ChromeOS: "ChromeOS", useragent.FreeBSD: "FreeBSD", useragent.Harmony: "HarmonyOS",
	useragent.IOS: "iOS", useragent.Linux: "Linux", useragent.MacOS: "Mac", useragent.Windows: "Windows",
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
