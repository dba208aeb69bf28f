package useragent_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/authzd/authzd/authz/useragent"
)

const chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"

func headers(agent, brands, platform string) http.Header {
	h := http.Header{}
	h.Set("User-Agent", agent)
	if brands != "" {
		h.Set("Sec-CH-UA", brands)
	}
	if platform != "" {
		h.Set("Sec-CH-UA-Platform", platform)
	}
	return h
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ agent, brands, platform, browser, system string }{
		{chromeOnWindows, "", "", "Chrome", "Windows"},
		{chromeOnWindows, `"Brave";v="131", "Chromium";v="131", "Not_A Brand";v="24"`, `"Windows"`, "Brave", "Windows"},
		{chromeOnWindows, `"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"`, `"Linux"`, "Chrome", "Linux"},
		{chromeOnWindows + " Edg/131.0.0.0", "", "", "Edge", "Windows"},
		{chromeOnWindows + " OPR/117.0.0.0", "", "", "Opera", "Windows"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "", "", "Safari", "iPhone"},
		{"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "", "", "Safari", "iPad"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0", "", "", "Firefox", "Mac"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36", "", `"Chrome OS"`, "Chrome", "ChromeOS"},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36", "", `"Android"`, "Chrome", "Android"},
		{strings.Replace(chromeOnWindows, "Safari/", "AnApp/1.0 Safari/", 1), "", "", "Chrome", "Windows"},
		{"Mozilla/5.0 (Linux; Android 13; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", "", "", "Samsung Internet", "Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "", "", "Chrome", "iPhone"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "", "", "Firefox", "Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 YaBrowser/24.12.0.0 Safari/537.36", "", "", "Yandex Browser", "Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "", "", "", "Windows"},
		{"<b>/1.0 (Evil; <script>)", "", "", "", ""},
		{"curl/8.5.0", "", "", "", ""},
		{"", `"Brave";v="131"`, `"Windows"`, "", ""},
		{chromeOnWindows, `"<b>";v="1"`, `"<script>"`, "Chrome", "Windows"}, // only known names are shown
	} {
		if got := useragent.Of(headers(test.agent, test.brands, test.platform)); got.Browser != test.browser || got.System != test.system {
			t.Errorf("%q, %q, %q: %+v", test.agent, test.brands, test.platform, got)
		}
	}
}

// FuzzOf: nothing that a client sends gets into a name.
func FuzzOf(f *testing.F) {
	f.Add(chromeOnWindows, `"Brave";v="131"`, `"macOS"`)
	f.Add(strings.Repeat("Mozilla/5.0 (", 100), `"`, `""`)
	f.Add("\x00\xff", "\r\n", "\u202e")
	f.Fuzz(func(t *testing.T, agent, brands, platform string) {
		h := http.Header{"User-Agent": {agent}, "Sec-Ch-Ua": {brands}, "Sec-Ch-Ua-Platform": {platform}}
		got := useragent.Of(h)
		for _, name := range []string{got.Browser, got.System} {
			if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII || strings.ContainsRune("<>\"&'", r) || r < ' ' }) {
				t.Errorf("%q", name)
			}
		}
	})
}
