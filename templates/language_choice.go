package templates

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// People choose the language of the pages at their foot. The choice is kept in a cookie, and it wins over what an app
// wants (ui_locales), over the language of the account, and over that of the browser:
//
//	the foot: a form with the query of this page and _lang -> Choose -> the cookie, and the same page again
//	a page: Language: the cookie, else ui_locales and the account's, else Accept-Language, else the first

const (
	languageCookie = "authzd-language"
	languageParam  = "_lang"
	languageMaxAge = 365 * 24 * time.Hour
)

// Languages returns the languages that the pages are offered in, as BCP 47 tags. The first is the fallback.
func (r *Renderer) Languages() []string { return slices.Clone(r.speaker.languages) }

// Language returns the language of the pages for the person who sends req. wanted are BCP 47 tags separated by spaces, such
// as the ui_locales of a request: they count if the person has chosen no language.
func (r *Renderer) Language(req *http.Request, wanted string) string {
	return cmp.Or(r.Chosen(req), r.speaker.choose(wanted, req.Header.Get("Accept-Language")))
}

// Chosen returns the language that the person who sends req has chosen, "" if they have chosen none.
func (r *Renderer) Chosen(req *http.Request) string {
	for _, c := range req.CookiesNamed(languageCookie) {
		if slices.Contains(r.speaker.languages, c.Value) {
			return c.Value
		}
	}
	return ""
}

// Prefer puts the language that the person has chosen in place of the preference of the browser (Accept-Language), so that
// mails are in the language of the page that has sent them.
func (r *Renderer) Prefer(req *http.Request) {
	if chosen := r.Chosen(req); chosen != "" {
		req.Header.Set("Accept-Language", chosen)
	}
}

// Choose answers req if it is the form at the foot of a page: it keeps the chosen language, and redirects to the page. It
// reports whether it has answered. Another site can't choose. The redirect names no host and no path, so it leads nowhere
// else.
func (r *Renderer) Choose(w http.ResponseWriter, req *http.Request) bool {
	if req.Method != http.MethodGet || len(req.URL.RawQuery) > maxQuery {
		return false
	}
	query := req.URL.Query()
	if !query.Has(languageParam) {
		return false
	}
	chosen, from := query.Get(languageParam), req.Header.Get("Sec-Fetch-Site")
	if slices.Contains(r.speaker.languages, chosen) && from != "cross-site" && from != "same-site" {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: chosen, Path: cmp.Or(r.path, "/"), MaxAge: int(languageMaxAge / time.Second),
			Secure: r.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	query.Del(languageParam)
	w.Header().Set("Location", "?"+query.Encode())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return true
}

// languageChoice is the form at the foot of a page.
type languageChoice struct {
	Param   string
	Current string
	Offered []string     // languages
	Query   []queryField // of the page
}

// queryField is one parameter of a query.
type queryField struct{ Name, Value string }

// languageChoice returns the form for a page that answers req, nil if there is none: there is one language, or the page
// could not be shown again. A page that says what is wrong with a form is shown again as it was before the form.
func (r *Renderer) languageChoice(req *http.Request, status int, m meta, lang string) *languageChoice {
	query := url.Values{}
	switch {
	case len(r.speaker.languages) < 2, m.script != "", len(req.URL.RawQuery) > maxQuery:
		return nil
	case req.Method == http.MethodGet && status < 400: // what was refused is not shown: it may be a token in the wrong place
		query = req.URL.Query()
		query.Del(languageParam)
		query.Del("show")
	case req.Method == http.MethodPost && status >= 400:
		for _, name := range []string{"flow", "id", "link"} { // what links to pages have
			if req.PostForm.Has(name) {
				query[name] = req.PostForm[name]
			}
		}
	default:
		return nil
	}
	c := &languageChoice{Param: languageParam, Current: lang, Offered: r.speaker.languages}
	for name, values := range query {
		for _, value := range values {
			c.Query = append(c.Query, queryField{name, value})
		}
	}
	slices.SortStableFunc(c.Query, func(a, b queryField) int { return strings.Compare(a.Name, b.Name) })
	return c
}
