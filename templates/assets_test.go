package templates

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/templates/brand"
)

func TestAssets(t *testing.T) {
	r, err := New(someIssuer+"/auth", Branding{})
	if err != nil {
		t.Fatal(err)
	}
	page := everyPage()["sign in"].(SignIn)
	page.Client = nil // whose logo is elsewhere
	d := draw(t, r, "en", page)
	var urls []string
	for _, n := range d.all("link", "img") {
		urls = append(urls, attr(n, "href")+attr(n, "src"))
	}
	if len(urls) != 5 { // icon, style sheet, mark and two connectors
		t.Fatalf("the page links to %q", urls)
	}
	for _, url := range urls {
		if !strings.HasPrefix(url, "/auth"+AssetsPath+"/") {
			t.Errorf("%s is not below the issuer", url)
		}
		for _, path := range []string{url, strings.TrimPrefix(url, "/auth")} { // a router may strip
			w := httptest.NewRecorder()
			r.Assets().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			h := w.Header()
			if w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("%s: status %d, %d bytes", path, w.Code, w.Body.Len())
			}
			if got := h.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("%s: Cache-Control %q", path, got)
			}
			if got, want := h.Get("Content-Type"), map[bool]string{true: "text/css; charset=utf-8", false: "image/svg+xml"}[strings.HasSuffix(url, ".css")]; got != want {
				t.Errorf("%s: Content-Type %q, want %q", path, got, want)
			}
			if !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: an asset opened by itself may run scripts: %v", path, h)
			}

			req := httptest.NewRequest("GET", path, nil)
			req.Header.Set("If-None-Match", h.Get("ETag"))
			w = httptest.NewRecorder()
			if r.Assets().ServeHTTP(w, req); w.Code != 304 {
				t.Errorf("%s: status %d for what the browser has", path, w.Code)
			}
		}
	}
}

func TestAssetsRefuse(t *testing.T) {
	r := newRenderer(t, Branding{})
	for _, path := range []string{"/", "/assets/", "/assets/style.css", "/assets/../templates.go", "/assets/html/layout.html"} {
		w := httptest.NewRecorder()
		if r.Assets().ServeHTTP(w, httptest.NewRequest("GET", path, nil)); w.Code != 404 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	r.Assets().ServeHTTP(w, httptest.NewRequest("POST", r.assets.urls["style.css"], nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestAssetNamesFollowContent(t *testing.T) {
	plain, branded := newRenderer(t, Branding{}), newRenderer(t, Branding{CSS: map[string]string{"accent": "#0a7"}})
	if plain.assets.urls["style.css"] == branded.assets.urls["style.css"] {
		t.Error("two style sheets share one address")
	}
	if plain.assets.urls["google.svg"] != branded.assets.urls["google.svg"] {
		t.Error("one mark has two addresses")
	}
}

func TestLogo(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.svg"):                         "no such file",
		write("logo.html", "<svg>"):                               "must be an svg, png, jpeg, webp or gif file",
		write("logo", "<svg>"):                                    "must be an svg, png, jpeg, webp or gif file",
		write("logo.png", "<script>"):                             "the content is not of type image/png",
		write("logo.svg", "plain text"):                           "the content is not of type image/svg+xml",
		write("huge.svg", strings.Repeat("<svg>", brand.MaxLogo)): "must be at most 1048576",
	} {
		if _, err := New(someIssuer, Branding{LogoFile: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}

	logo := write("ok.PNG", "\x89PNG\r\n\x1a\n")
	r := newRenderer(t, Branding{Name: "Northwind", LogoFile: logo})
	d := draw(t, r, "en", Home{})
	element(t, d.all("img")[0], "", "alt", "Northwind", "src", r.assets.urls["logo"])
	w := httptest.NewRecorder()
	r.Assets().ServeHTTP(w, httptest.NewRequest("GET", r.assets.urls["logo"], nil))
	if w.Header().Get("Content-Type") != "image/png" || w.Body.String() != "\x89PNG\r\n\x1a\n" {
		t.Errorf("the logo arrives as %v %q", w.Header(), w.Body)
	}
}
