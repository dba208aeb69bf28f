package templates

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	textUse     = regexp.MustCompile(`\b(?:t|rich|around) "([a-z0-9_.]+)"((?: "[a-z]+" (?:\S+?|\(.*?\)))*)\s*\}\}`)
)

// everything offers all our languages.
var everything = func() speaker {
	s, err := newSpeaker(nil)
	if err != nil {
		panic(err)
	}
	return s
}()

func TestChooseLanguage(t *testing.T) {
	for _, c := range []struct{ uiLocales, accept, want string }{
		{"", "", "en"},
		{"", "de", "de"},
		{"", "de-CH, fr;q=0.8", "de"},
		{"", "da, fr;q=0.5", "fr"},
		{"", "zh-TW", "zh"},
		{"", "ar-EG, en;q=0.5", "ar"},
		{"", "th, ko", "en"},
		{"", "fr;q=0.1, es;q=0.9", "es"},
		{"es", "de", "es"},
		{"fr-CA fr en", "de", "fr"},
		{"ko", "de", "de"}, // nothing of ours in ui_locales: the browser decides
		{"ko es", "de", "es"},
		{"  de  ", "fr", "de"},
		{"%%% _ -- es", "de", "es"},
		{"x", "*", "en"},
		{strings.Repeat("de ", 1000), "fr", "fr"}, // too long to be meant
		{"", strings.Repeat("de-", 100000), "en"},
	} {
		if got := everything.choose(c.uiLocales, c.accept); got != c.want {
			t.Errorf("ui_locales %.40q, Accept-Language %.40q: %s, want %s", c.uiLocales, c.accept, got, c.want)
		}
	}
}

func TestUILocalesReachEveryPage(t *testing.T) {
	r := newRenderer(t, Branding{})
	for _, page := range []Page{
		SignIn{UILocales: "fr"}, SelectAccount{UILocales: "fr"}, Consent{UILocales: "fr"}, LogoutConfirm{UILocales: "fr"},
		DeviceCode{UILocales: "fr"}, DeviceConfirm{UILocales: "fr"}, DeviceDone{UILocales: "fr"}, LoggedOut{UILocales: "fr"}, Account{UILocales: "fr"}, Error{UILocales: "fr"}, Home{UILocales: "fr"},
		SignedIn{UILocales: "fr"}, Passkeys{UILocales: "fr"}, Factors{UILocales: "fr"}, RecoveryCodes{UILocales: "fr"},
		DevMails{UILocales: "fr"}, DevMail{UILocales: "fr"},
		FormPost{UILocales: "fr", Action: "https://app.example.com/"},
	} {
		if got := attr(draw(t, r, "de", page).all("html")[0], "lang"); got != "fr" {
			t.Errorf("%T speaks %s, want fr", page, got)
		}
	}
}

func TestCataloguesAgree(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	english := all["en"]
	for _, lang := range languages {
		want := map[string]string{} // by key, the English text that it translates
		for key, text := range english {
			base, _, counts := strings.Cut(key, "#")
			if !counts {
				want[key] = text
				continue
			}
			for n := range 200 {
				want[base+pluralForm(lang, n)] = english[base+"#other"]
			}
		}
		for key, source := range want {
			text, ok := all[lang][key]
			if !ok || strings.TrimSpace(text) == "" {
				t.Errorf("%s has no text %q", lang, key)
				continue
			}
			want, got := placeholder.FindAllString(source, -1), placeholder.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) && !(strings.Contains(key, "#") && len(got) == 0) { // "one minute ago" needs no number
				t.Errorf("%s %q has the placeholders %v, want %v", lang, key, got, want)
			}
		}
		for key := range all[lang] {
			if _, ok := want[key]; !ok {
				t.Errorf("%s has a text %q, which nobody asks for", lang, key)
			}
		}
	}
}

// TestAgo: how long ago something was, in the forms that a language has for numbers.
func TestAgo(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		lang string
		past time.Duration
		want string
	}{
		{"en", 0, "just now"},
		{"en", -time.Hour, "just now"}, // the clock of another replica
		{"en", 61 * time.Second, "1 minute ago"},
		{"en", 59*time.Minute + 59*time.Second, "59 minutes ago"},
		{"de", time.Hour, "vor 1 Stunde"},
		{"fr", 23*time.Hour + time.Minute, "il y a 23 heures"},
	} {
		got, err := all[c.lang].ago(c.lang, berlin, time.Now().Add(-c.past))
		if want := ">" + c.want + "</time>"; err != nil || !strings.HasSuffix(string(got), want) {
			t.Errorf("%s, %v: %s, %v, want %s", c.lang, c.past, got, err, want)
		}
	}
	got, err := all["en"].ago("en", berlin, time.Date(2026, time.March, 4, 23, 30, 0, 0, time.UTC))
	if want := `<time datetime="2026-03-04T23:30:00Z">5 March 2026, 00:30 CET</time>`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// TestTextsAreUsed: the pages ask for no text that is missing, fill every placeholder, and no text
// is there that nobody asks for.
func TestTextsAreUsed(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	english := all["en"]
	unused := maps.Clone(english)
	names, err := pageNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "layout", "parts") {
		source, err := htmlFiles.ReadFile("html/" + name + ".html")
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range textUse.FindAllStringSubmatch(string(source), -1) {
			key, args := use[1], use[2]
			text, ok := english[key]
			if !ok {
				t.Errorf("%s asks for %q", name, key)
			}
			for _, p := range placeholder.FindAllString(text, -1) {
				if !strings.Contains(args, `"`+strings.Trim(p, "{}")+`"`) {
					t.Errorf("%s does not fill %s of %q", name, p, key)
				}
			}
			delete(unused, key)
		}
	}
	for key := range unused {
		family, _, _ := strings.Cut(key, ".")
		if !slices.Contains([]string{"problem", "reason", "scope", "claim", "error", "month", "date", "mail", "ago", "notice", "new_password"}, family) && !strings.HasPrefix(key, "account.way.") && key != "consent.your_account" && key != "consent.away" {
			t.Errorf("no page asks for %q", key)
		}
	}
}

func TestEveryProblemAndReasonHasAText(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	problems, reasons := constants(t, "Problem"), constants(t, "Reason")
	texts := 0
	for key := range all["en"] {
		if (strings.HasPrefix(key, "problem.") || strings.HasPrefix(key, "reason.")) && !strings.HasSuffix(key, ".do") {
			texts++
		}
	}
	for _, p := range problems {
		if all["en"]["problem."+string(p)] == "" {
			t.Errorf("problem %q has no text", p)
		}
	}
	for _, r := range reasons {
		if all["en"]["reason."+string(r)] == "" {
			t.Errorf("reason %q has no text", r)
		}
	}
	if texts != len(problems)+len(reasons) {
		t.Errorf("%d texts for %d problems and %d reasons", texts, len(problems), len(reasons))
	}
}

// constants returns the values of all constants of a string type of this package, except "".
func constants(t *testing.T, typeName string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:const |\t)[A-Z]\w*\s+`+typeName+`\s+= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
			values = append(values, m[1])
		}
	}
	if len(values) < 2 {
		t.Fatalf("only %d constants of the type %s", len(values), typeName)
	}
	return values
}

// TestLoadCatalogue: topics are put together, and a text that is there twice is refused.
func TestLoadCatalogue(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	texts, err := loadCatalogue(fstest.MapFS{"en/a.json": file(`{"a.x": "1"}`), "en/b.json": file(`{"b.x": "2"}`)}, "en")
	if want := (catalogue{"a.x": "1", "b.x": "2"}); err != nil || !maps.Equal(texts, want) {
		t.Errorf("%v, %v, want %v", texts, err, want)
	}
	for name, files := range map[string]fstest.MapFS{
		"in two topics": {"en/a.json": file(`{"a.x": "1"}`), "en/b.json": file(`{"a.x": "1"}`)},
		"in one topic":  {"en/a.json": file(`{"a.x": "1", "a.x": "1"}`)},
		"not texts":     {"en/a.json": file(`{"a.x": 1}`)},
		"not JSON":      {"en/a.json": file(`a.x: 1`)},
	} {
		if texts, err := loadCatalogue(files, "en"); err == nil {
			t.Errorf("%s: %v is read", name, texts)
		}
	}
}

// TestEveryPageIsShown: everyPage has each file of html at least once.
func TestEveryPageIsShown(t *testing.T) {
	names, err := pageNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range everyPage() {
		names = slices.DeleteFunc(names, func(name string) bool { return name == page.meta().template })
	}
	if len(names) > 0 {
		t.Errorf("everyPage lacks %q", names)
	}
}

func TestRichEscapes(t *testing.T) {
	c := catalogue{"k": "<i>{client}</i> & {client}{host}"}
	got, err := c.rich("k", "client", "{host}<b>", "host", `"`)
	want := "&lt;i&gt;<strong><bdi>{host}&lt;b&gt;</bdi></strong>&lt;/i&gt; &amp; " +
		"<strong><bdi>{host}&lt;b&gt;</bdi></strong><strong><bdi>&#34;</bdi></strong>"
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if _, err := c.rich("missing"); err == nil {
		t.Error("a missing text is not an error")
	}
}

func TestDate(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	moment := time.Date(2026, time.December, 31, 23, 30, 0, 0, time.FixedZone("", -3600))
	for lang, want := range map[string]string{
		"en": "1 January 2027, 00:30 UTC",
		"de": "1. Januar 2027, 00:30 UTC",
		"fr": "1 janvier 2027 à 00:30 UTC",
		"es": "1 de enero de 2027, 00:30 UTC",
		"nl": "1 januari 2027, 00:30 UTC",
		"ja": "2027年1月1日 00:30 UTC",
		"zh": "2027年1月1日 00:30 UTC",
		"ar": "1 يناير 2027، 00:30 UTC",
	} {
		if got := all[lang].date(moment); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

func TestInitial(t *testing.T) {
	for _, c := range []struct{ name, username, want string }{
		{"Alice Liddell", "x", "A"},
		{"", "alice", "A"},
		{"  élodie", "", "É"},
		{"<b>", "7up", "7"},
		{"\xff", "", "?"},
		{"", "", "?"},
	} {
		if got := initial(c.name, c.username); got != c.want {
			t.Errorf("initial(%q, %q) = %q, want %q", c.name, c.username, got, c.want)
		}
	}
}

func FuzzChooseLanguage(f *testing.F) {
	f.Add("fr-CA en", "de-CH, fr;q=0.8, *;q=0.1")
	f.Add("\x00-x-\xff", "en-US-u-va-posix;q=0.0001,,;")
	f.Fuzz(func(t *testing.T, uiLocales, accept string) {
		if lang := everything.choose(uiLocales, accept); !slices.Contains(languages, lang) {
			t.Errorf("chose %q", lang)
		}
	})
}

// pageNames lists the pages in html: every file but the layout and its parts.
func pageNames() ([]string, error) {
	files, err := fs.Glob(htmlFiles, "html/*.html")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); name != "layout" && name != "parts" {
			names = append(names, name)
		}
	}
	return names, nil
}

// TestPagesAreWhole: a page is prepared when it is first drawn, so none may be broken.
func TestPagesAreWhole(t *testing.T) {
	r, err := New("", Branding{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := pageNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range languages {
		for _, name := range names {
			if _, err := r.pages[lang].page(name); err != nil {
				t.Errorf("%s: %v", lang, err)
			}
		}
		if _, err := r.pages[lang].page("nowhere"); err == nil {
			t.Errorf("%s: a page that is not there", lang)
		}
	}
}
