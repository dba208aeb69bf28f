package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authzd/authzd/templates/brand"
)

//go:embed assets
var assetFiles embed.FS

// AssetsPath is where to mount Assets, below the issuer's path.
const AssetsPath = "/assets"

// svg is the type of our own images.
const svg = "image/svg+xml"

// assets are the files that pages link to.
type assets struct {
	urls  map[string]string // by plain name: style.css, logo, logo-dark, backdrop, google.svg
	files map[string]asset  // by the served name, which contains a hash of the content
}

type asset struct {
	contentType string
	content     []byte
}

// rules returns our style sheet without the palette.
var rules = sync.OnceValues(func() (string, error) {
	css, err := assetFiles.ReadFile("assets/style.css")
	return compress(string(css)), err
})

// newAssets collects the embedded files and the branding. Its error names every mistake.
func newAssets(basePath string, b Branding) (assets, error) {
	a := assets{urls: map[string]string{}, files: map[string]asset{}}
	rules, err := rules()
	if err != nil {
		return a, err
	}
	palette, cssErr := brand.Stylesheet(b.CSS)
	var backdropErr error
	if b.BackdropFile != "" {
		var backdrop asset
		backdrop, backdropErr = readLogo(b.BackdropFile)
		a.add(basePath, "backdrop", backdrop)
		palette += ":root{--backdrop:url(" + a.urls["backdrop"] + ")}\n"
	}
	a.add(basePath, "style.css", asset{"text/css; charset=utf-8", []byte(palette + rules)})

	script, err := assetFiles.ReadFile("assets/passkey.js")
	if err != nil {
		return a, err
	}
	a.add(basePath, "passkey.js", asset{"text/javascript; charset=utf-8", script})

	for _, name := range []string{"connector.svg", "google.svg", "microsoft.svg"} {
		mark, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return a, err
		}
		a.add(basePath, name, asset{svg, mark})
	}

	logo, logoErr := readLogo(b.LogoFile)
	a.add(basePath, "logo", logo)
	if b.LogoDarkFile == "" {
		return a, errors.Join(cssErr, logoErr, backdropErr)
	}
	darkLogo, darkErr := readLogo(b.LogoDarkFile)
	a.add(basePath, "logo-dark", darkLogo)
	return a, errors.Join(cssErr, logoErr, darkErr, backdropErr)
}

func (a assets) add(basePath, name string, file asset) {
	sum := sha256.Sum256(file.content)
	ext := path.Ext(name)
	served := strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:8]) + ext
	a.urls[name] = basePath + AssetsPath + "/" + served
	a.files[served] = file
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssSpace   = regexp.MustCompile(`\s+`)
	cssJoint   = regexp.MustCompile(` ?([{};,]) ?|(:) `)
)

// compress removes the comments of a style sheet, and the space that only people need. A blank before a colon is part
// of a selector.
func compress(css string) string {
	css = cssSpace.ReplaceAllString(cssComment.ReplaceAllString(css, ""), " ")
	return strings.ReplaceAll(cssJoint.ReplaceAllString(strings.TrimSpace(css), "$1$2"), ";}", "}")
}

// url returns the URL of an asset for a page.
func (a assets) url(name string) (string, error) {
	url, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return url, nil
}

// readLogo reads the operator's logo. Without one it returns authzd's mark.
func readLogo(file string) (asset, error) {
	if file == "" {
		mark, err := assetFiles.ReadFile("assets/mark.svg")
		return asset{svg, mark}, err
	}
	logo, err := brand.ReadLogo(file)
	if err != nil {
		return asset{}, fmt.Errorf("logo %s: %w", file, err)
	}
	return asset{logo.ContentType, logo.Content}, nil
}

// Assets serves the files that pages link to, by the last element of the request's path. Mount it below
// AssetsPath.
func (r *Renderer) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !slices.Contains([]string{http.MethodGet, http.MethodHead}, req.Method) {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name := path.Base(req.URL.Path)
		file, ok := r.assets.files[name]
		if !ok {
			http.NotFound(w, req)
			return
		}
		h := w.Header()
		h.Set("Content-Type", file.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", `"`+name+`"`)
		h.Set("X-Content-Type-Options", "nosniff")
		// An SVG that is opened alone is a document of our origin: it must not run scripts.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		http.ServeContent(w, req, name, time.Time{}, bytes.NewReader(file.content))
	})
}
