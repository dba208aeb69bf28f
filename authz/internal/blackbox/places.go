package blackbox

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/authzd/authzd/authz/authztest"
)

// ReturnPlaces reads authz/weburl/testdata/return.txt, 300 places to return to that a request may name. The path leads
// there from the folder of the test.
func ReturnPlaces(t testing.TB, path string) (places []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		place, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line[4:], "\n"), `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		places = append(places, place)
	}
	if len(places) != 300 {
		t.Fatalf("%d places", len(places))
	}
	return places
}

// LeadsAway returns what leads from a page to another host than its own: its redirect, its links, its forms, and what it
// loads. Hosts in known are none of it.
func LeadsAway(t testing.TB, page *authztest.Page, known ...string) (away []string) {
	t.Helper()
	targets := page.Header.Values("Location")
	for tokens := html.NewTokenizer(strings.NewReader(page.Body)); tokens.Next() != html.ErrorToken; {
		token := tokens.Token()
		for _, a := range token.Attr {
			if slices.Contains([]string{"href", "src", "action", "formaction", "srcset", "data"}, a.Key) || token.Data == "meta" && a.Key == "content" && strings.Contains(strings.ToLower(a.Val), "url=") {
				targets = append(targets, a.Val)
			}
		}
	}
	for _, target := range append(targets, page.Header.Values("Refresh")...) {
		u, err := page.URL.Parse(target)
		if err != nil || u.Host != page.URL.Host && !slices.Contains(known, u.Host) || strings.ContainsAny(target, "\\\t\r\n") {
			away = append(away, target)
		}
	}
	return away
}

// Naming is a query that names a place under each name that programs have for one to return to.
func Naming(place string) url.Values {
	query := url.Values{}
	for _, name := range []string{"return_to", "returnTo", "return", "return_url", "next", "url", "rd", "redirect", "redirect_to", "redirect_uri", "continue", "target", "goto", "back", "from", "referer", "post_logout_redirect_uri", "RelayState"} {
		query.Set(name, place)
	}
	return query
}
