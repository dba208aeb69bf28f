package inspect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/inspect"
)

const issuer = "https://id.example.com"

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// inspected returns what is wrong with files, without the folder: "sign-in.html:3: reason -> hint".
func inspected(t testing.TB, files map[string]string) (said []string) {
	t.Helper()
	dir := folder(t, files)
	flaws, err := inspect.Templates(issuer, templates.Branding{Name: "Example", Templates: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range flaws {
		if f.Hint == "" || f.Line == 0 {
			t.Errorf("%v: no hint or no line", f)
		}
		said = append(said, fmt.Sprintf("%s:%d: %s -> %s", filepath.Base(f.File), f.Line, f.Reason, f.Hint))
	}
	return said
}

// ours is one of our templates, with pairs of what is replaced.
func ours(t testing.TB, name string, pairs ...string) string {
	t.Helper()
	text, err := templates.Template(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s has no %q", name, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// Our own templates pass: those of all pages, one page in all languages, and the mails.
func TestOursPass(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, name := range []string{"layout.html", "parts.html", "another-way.html", "letter.html", "letter.txt"} {
		files[name] = ours(t, name)
	}
	if full, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); full {
		for _, name := range templates.TemplateNames() {
			files[name] = ours(t, name)
		}
	}
	began := time.Now()
	if said := inspected(t, files); len(said) > 0 {
		t.Errorf("%q", said)
	}
	t.Logf("%d templates take %v", len(files), time.Since(began))
	if said := inspected(t, map[string]string{".gitignore": "*", ".sign-in.html.swp": "\x00"}); len(said) > 0 {
		t.Errorf("hidden files: %q", said)
	}
}

// What is wrong with a template is told with file, line and hint.
func TestTemplatesAreRefused(t *testing.T) {
	t.Parallel()
	signIn := func(pairs ...string) map[string]string {
		return map[string]string{"sign-in.html": ours(t, "sign-in.html", pairs...)}
	}
	code := func(pairs ...string) map[string]string { // a small page
		return map[string]string{"recovery-code.html": ours(t, "recovery-code.html", pairs...)}
	}
	letter := func(pairs ...string) map[string]string {
		return map[string]string{"letter.html": ours(t, "letter.html", pairs...)}
	}
	const form = `<form method="post" action="{{.Action}}">`
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string // each in one of the errors
	}{
		"unknown name":       {map[string]string{"signin.html": "x"}, []string{"signin.html:1: there is no template of this name to replace -> did you mean sign-in.html?"}},
		"unknown name, far":  {map[string]string{"README": "x"}, []string{`README:1: there is no template of this name to replace -> "authzd template list" lists them`}},
		"too large":          {map[string]string{"home.html": strings.Repeat("x", templates.MaxTemplate+1)}, []string{"home.html:1: 262145 bytes, must be at most 262144"}},
		"not UTF-8":          {map[string]string{"home.html": "{{define \"content\"}}\xff{{end}}"}, []string{"home.html:1: is not UTF-8 -> save it as UTF-8"}},
		"controls":           {code(`id="recovery-submit"`, "on\x1b[31m=\"x\" id=\"recovery-submit\""), []string{"has the attribute on\ufffd[31m on button"}},
		"not closed":         {code("{{define \"content\"}}{{with .Page}}", "{{define \"content\"}}{{with .Page}}{{if .Client}}"), []string{"recovery-code.html:", "unexpected EOF (in the page “recovery code”) -> compare it with \"authzd template print recovery-code.html\""}},
		"unknown function":   {code(`{{define "content"}}`, "{{define \"content\"}}\n{{env \"HOME\"}}"), []string{`function "env" not defined`}},
		"unknown field":      {code(`{{define "content"}}`, "{{define \"content\"}}{{.Page.Passwort}}"), []string{"can't evaluate field Passwort", ".Page has "}},
		"unknown text":       {code(`{{t "recovery_code.label"}}`, `{{t "recovery_code.lable"}}`), []string{`no text "recovery_code.lable"`}},
		"no content":         {map[string]string{"home.html": `{{define "heading"}}Hello{{end}}<h1>Hello</h1>`}, []string{`home.html:1: no such template "content"`, `write {{define "content"}}…{{end}}`}},
		"a whole page":       {map[string]string{"home.html": "<!doctype html><title>Hello</title>"}, []string{`home.html:1: no such template "content"`}},
		"empty definition":   {map[string]string{"home.html": "{{define \"heading\"}}x{{end}}\n{{define \"way\"}}\n{{end}}"}, []string{`home.html:2: an empty definition replaces nothing -> write {{define "way"}}{{""}}{{end}}`}},
		"unclosed attribute": {signIn(`<div class="field">`, `<div class="field>`), []string{"sign-in.html:"}},
		"a part is missing":  {map[string]string{"sign-in.html": ours(t, "sign-in.html", `{{template "problem" .Problem}}`, `{{template "problems" .Problem}}`)}, []string{`no such template "problems"`}},

		"no password":     {signIn(`id="password" name="password"`, `id="pass" name="password"`), []string{`has no input of type password, id "password", name "password" (in the page “sign in`, `-> ours is <input id="password" name="password" type="password"`}},
		"a bare password": {signIn(`type="{{if $.Revealed}}text{{else}}password{{end}}"`, `type="text"`), []string{`has no input of type password, id "password"`}},
		"another value":   {map[string]string{"link.html": ours(t, "link.html", `value="cancel"`, `value="back"`)}, []string{`has no button, id "link-cancel", name "decision", value "cancel"`}},
		"much of a page": {code(`id="recovery-submit"`, `id="go"`, `id="use-another-way"`, ``, `{{template "problem" .Problem}}`, ``), []string{
			`has no button, id "recovery-submit"`, `has no link with the id "use-another-way" that leads to /login/factor?way=choose`, `has no element with the id "problem"`,
		}},
		"much of sign-in": {signIn(`id="connector-{{.ID}}"`, ``, `{{template "unknown" .}}`, ``, `<script src="{{asset "passkey.js"}}" defer></script>`, ``, ` data-passkey-ask`, ``, `{{template "passkey_fields" .}}`, ``), []string{
			`has no link with the id "connector-corp" that leads to /login/corp`, `has no element with the id "unknown-client"`, "lacks the script",
			"has no button with the attribute data-passkey-ask", `lacks the hidden field "passkey-ceremony"`,
		}},
		"no flow":      {code(`{{template "hidden" .Hidden}}`, ``), []string{`the form of the input of type text, id "recovery-code", name "recovery-code" lacks the hidden field "flow"`}},
		"no form":      {code(form, `<div class="form">`), []string{`is not in a form that goes to "/login/factor" by post`}},
		"by GET":       {code(form, strings.Replace(form, "post", "get", 1)), []string{`is not in a form that goes to "/login/factor" by post`}},
		"to elsewhere": {code(form, strings.Replace(form, "{{.Action}}", "https://evil.example/", 1)), []string{`has a form that posts to "https://evil.example/", which none of ours does`}},

		"elements that are blocked": {code(`{{define "content"}}`, `{{define "content"}}<style>h1{}</style><img src="https://cdn.example/x.png" alt=""><img src="//cdn.example/x.png" alt="">`+
			"\n<script>alert(1)</script><iframe src=\"/x\"></iframe>\n<base href=\"https://evil.example/\"><meta http-equiv=\"refresh\" content=\"0;url=https://evil.example/\">"), []string{
			"recovery-code.html:5: has a style element", `recovery-code.html:5: loads "https://cdn.example/x.png"`, `recovery-code.html:5: loads "//cdn.example/x.png"`,
			"recovery-code.html:6: has a script that is none of ours, which the policy of the page blocks", "recovery-code.html:6: has a frame",
			"recovery-code.html:7: has a base element", "recovery-code.html:7: has a meta element with http-equiv",
		}},
		"attributes that are blocked": {code(`id="recovery-submit"`, `onclick="x()" formaction="https://evil.example/" id="recovery-submit"`, `<div class="field">`, `<div class="field" style="color:red">`,
			`{{define "content"}}`, `{{define "content"}}<script src="https://cdn.example/x.js"></script><a href=" java&#10;script:x()">x</a>`), []string{
			"has a script that is none of ours", "has the attribute onclick on button", "has the attribute formaction on button", "has the attribute style on div", "has a href that is a script",
		}},
		"a style sheet":   {map[string]string{"layout.html": ours(t, "layout.html", `<link rel="icon" href="{{asset "logo"}}">`, `<link rel="stylesheet" href="https://cdn.example/x.css">`)}, []string{`layout.html:9: loads "https://cdn.example/x.css"`}},
		"in one language": {code(`{{define "content"}}`, `{{define "content"}}{{if eq lang "pl"}}<style></style>{{end}}`), []string{"has a style element"}},

		"no request id":    {map[string]string{"layout.html": ours(t, "layout.html", `id="request-id"`, ``)}, []string{`layout.html:1: has no element with the id "request-id"`}},
		"no fields at all": {map[string]string{"parts.html": "{{define \"hidden\"}}{{\"\"}}{{end}}"}, []string{`lacks the hidden field "flow"`, "more like this"}},

		"a mail without": {letter(`href="{{.Link}}"`, `href="/"`, `{{.Code}}</p>`, `</p>`), []string{"letter.html:1: has no link to .Link (in the mail ", "letter.html:1: does not show .Code"}},
		"a text without": {map[string]string{"letter.txt": "{{.Plain}}"}, []string{"letter.txt:1: does not have .Code", "letter.txt:1: does not have .Link"}},
		"a mail that loads": {letter(`<p class="foot">`, `<img src="https://pixel.example/"><p class="foot">`, `</style>`, `@font-face { src: url(https://cdn.example/f) }</style><script></script>`), []string{
			`loads the picture "https://pixel.example/"`, "has a style that loads something", "has a script element",
		}},
		"a mail's mistake": {letter(`{{.Heading}}`, `{{.Headline}}`), []string{"can't evaluate field Headline"}},
		"text's mistake":   {map[string]string{"letter.txt": "{{.Code}}\n{{if}}"}, []string{"letter.txt:2: missing value for if"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := inspected(t, tt.files)
			all := strings.Join(said, "\n")
			for _, want := range tt.want {
				if !strings.Contains(all, want) {
					t.Errorf("said:\n%s\nwant %s", all, want)
				}
			}
			if len(said) > 10 {
				t.Errorf("%d errors", len(said))
			}
		})
	}
}

// A line is that of the operator's file.
func TestLines(t *testing.T) {
	t.Parallel()
	said := inspected(t, map[string]string{"home.html": "{{define \"heading\"}}Hello{{end}}\n\n{{define \"content\"}}\n<p style=\"x\">Hello</p>\n<p>{{.Page.Nothing}}</p>\n{{end}}"})
	if len(said) != 1 || !strings.HasPrefix(said[0], "home.html:5: ") {
		t.Errorf("%q", said)
	}
	said = inspected(t, map[string]string{"home.html": "{{define \"heading\"}}Hello{{end}}\n\n{{define \"content\"}}\n<p style=\"x\">Hello</p>\n{{end}}"})
	if len(said) < 2 || !strings.HasPrefix(said[0], `home.html:3: has no link with the id "home-`) || !strings.HasPrefix(said[len(said)-1], "home.html:4: has the attribute style") {
		t.Errorf("%q", said)
	}
}

// A folder that can't be read is the system's error; one that is empty is right.
func TestFolder(t *testing.T) {
	t.Parallel()
	if _, err := inspect.Templates(issuer, templates.Branding{Templates: filepath.Join(t.TempDir(), "nothing")}); err == nil {
		t.Error("no error for a folder that is not there")
	}
	if said := inspected(t, nil); said != nil {
		t.Errorf("%q", said)
	}
	dir := folder(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "home.html"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "otp.html")); err != nil {
		t.Fatal(err)
	}
	flaws, err := inspect.Templates(issuer, templates.Branding{Templates: dir})
	if err != nil || len(flaws) != 2 || flaws[0].Reason != "is not a file" || !strings.Contains(flaws[1].Reason, "no such file") {
		t.Errorf("%v, %v", flaws, err)
	}
}

// Templates that pass the inspection have the fields of ours, and no script but ours.
func FuzzTemplates(f *testing.F) {
	page, err := templates.Template("recovery-code.html")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page)
	f.Add(`{{define "heading"}}x{{end}}{{define "content"}}<script>x</script>{{end}}`)
	f.Add(`{{define "heading"}}x{{end}}{{define "content"}}{{template "content" .}}{{end}}`)
	f.Add(`{{define "heading"}}{{.}}{{end}}{{define "content"}}<a href={{.Page.Action}} onclick={{.}}>{{end}}`)
	f.Add("{{/*")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range") || len(text) > 10_000 {
			return // it may go on for ever, and the operator who wrote it is the one who waits
		}
		said := inspected(t, map[string]string{"recovery-code.html": text})
		if len(said) == 0 && (!strings.Contains(text, "recovery-code") || strings.Contains(strings.ToLower(text), "<script") && !strings.Contains(text, "{{")) {
			t.Errorf("nothing is wrong with %q", text)
		}
	})
}
