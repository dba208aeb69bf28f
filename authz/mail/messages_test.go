package mail

import (
	"context"
	netmail "net/mail"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/authzd/authzd/templates"
)

// filled returns a message with a value in every field.
func filled(known Message, text string) Message {
	m := reflect.New(reflect.TypeOf(known))
	fillIn(m.Elem(), text)
	return m.Elem().Interface().(Message)
}

func fillIn(v reflect.Value, text string) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			if v.Type().Field(i).Name == "Link" {
				f.SetString("/somewhere?token=t0ken")
			} else {
				f.SetString(text)
			}
		case int:
			f.SetInt(7)
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 11, 29, 22, 5, 0, 0, time.UTC)))
		default:
			fillIn(f, text)
		}
	}
}

func testOffice(t testing.TB) *Office {
	t.Helper()
	office, err := New(Config{
		Issuer: "https://id.example.com", From: "Example <noreply@example.com>", Transport: &Box{},
		Branding: templates.Branding{Name: "Example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return office
}

// Every message is written in every language, shows each of its values, and comes back from the store as it was.
func TestMessages(t *testing.T) {
	t.Parallel()
	office := testOffice(t)
	names := map[string]bool{}
	for _, known := range messages {
		m := filled(known, "Value")
		if names[m.name()] {
			t.Errorf("two messages are called %s", m.name())
		}
		names[m.name()] = true
		encoded := Encode(m)
		back, err := Decode(encoded.Name, encoded.Values)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%s comes back as %+v, %v", m.name(), back, err)
		}
		for _, lang := range templates.Languages() {
			to := Recipient{Address: "alice@example.com", Language: lang}
			got, err := office.write(Envelope{ID: "id", At: time.Now(), To: to}, m)
			if err != nil {
				t.Errorf("%s: %v", m.name(), err)
				continue
			}
			whole := got.Subject + got.Text + got.HTML
			if strings.Contains(whole, "{") && strings.ContainsAny(strings.ReplaceAll(got.Subject+got.Text, "\n", ""), "{}") {
				t.Errorf("%s in %s has a placeholder that nothing fills:\n%s", m.name(), lang, got.Text)
			}
			if got.Language != lang || !strings.Contains(got.HTML, `lang="`+lang+`"`) {
				t.Errorf("%s is in %s, want %s", m.name(), got.Language, lang)
			}
			for _, want := range values(m) {
				if !strings.Contains(got.Text, want) || !strings.Contains(strings.ReplaceAll(got.HTML, "&amp;", "&"), want) {
					t.Errorf("%s in %s lacks %q:\n%s", m.name(), lang, want, got.Text)
				}
			}
		}
	}
}

// values are what the text of a message has to show.
func values(m Message) (want []string) {
	l := m.letter()
	if l.Link != "" {
		want = append(want, "https://id.example.com"+l.Link)
	}
	if l.Code != "" {
		want = append(want, l.Code)
	}
	for i := 1; i < len(l.Values); i += 2 {
		want = append(want, l.Values[i])
	}
	for _, f := range l.Facts {
		if f.Value != "" {
			want = append(want, f.Value)
		} else {
			want = append(want, "22:05")
		}
	}
	return want
}

// The user's locale wins over the browser's languages; English is for everybody else. Times are in the user's zone.
func TestLanguageAndZone(t *testing.T) {
	t.Parallel()
	office := testOffice(t)
	m := PasswordChanged{Link: "/reset", Where: Where{Browser: "Firefox", At: time.Date(2026, 7, 1, 22, 5, 0, 0, time.UTC)}}
	for _, tt := range []struct{ locale, accept, zone, language, says string }{
		{"", "", "", "en", "1 July 2026, 22:05 UTC"},
		{"de", "fr", "Europe/Berlin", "de", "2. Juli 2026, 00:05 CEST"},
		{"de-AT", "", "America/New_York", "de", "1. Juli 2026, 18:05 EDT"},
		{"", "fr-CA, en;q=0.5", "No/Where", "fr", "22:05 UTC"},
		{"xx", "es", "Local", "es", "22:05 UTC"},
		{"tlh", "", "../../etc/passwd", "en", "22:05 UTC"},
		{"\r\nBcc: bob@example.com", "\r\n", "\r\n", "en", "22:05 UTC"},
	} {
		got, err := office.write(Envelope{ID: "id", To: Recipient{Address: "alice@example.com", Language: tt.locale, AcceptLanguage: tt.accept, Zone: tt.zone}}, m)
		if err != nil || got.Language != tt.language || !strings.Contains(got.Text, tt.says) {
			t.Errorf("%+v: %v\n%+v", tt, err, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "unknown", "RESET_PASSWORD"} {
		if m, err := Decode(name, []byte(`{}`)); err == nil {
			t.Errorf("%q is %+v", name, m)
		}
	}
	if m, err := Decode("reset_password", []byte(`{"until":1}`)); err == nil {
		t.Errorf("%+v", m)
	}
}

// A message whose link would lead elsewhere is not written.
func TestLinksStayBelowTheIssuer(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"https://evil.example/", "evil", "@evil.example/", ".evil.example/", ":443/"} {
		m := PasswordChanged{Link: link}
		if got, err := testOffice(t).write(Envelope{To: Recipient{Address: "alice@example.com"}}, m); err == nil {
			t.Errorf("%s is %s", link, got.Link)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "example", "a@b, c@d", "x\r\nBcc: y@example.com"} {
		if _, err := New(Config{Issuer: "https://id.example.com", From: from, Transport: &Box{}}); err == nil {
			t.Errorf("from %q is accepted", from)
		}
	}
}

// A Box keeps the latest mails.
func TestBox(t *testing.T) {
	t.Parallel()
	box := &Box{}
	for i := range boxSize + 3 {
		if _, err := box.Send(context.Background(), &Mail{ID: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	if got := box.Mails(); len(got) != boxSize || got[0].ID != string(rune('a'+boxSize+2)) {
		t.Errorf("%d mails, the newest is %s", len(got), got[0].ID)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"alice@example.com", "jürgen@bücher.example", "a@b", "", "@", "a@", "@b", "a b@c", "<a@b>", "a@b>", "a@b\r\nDATA", "a@b,c@d",
		`"a b"@example.com`, "a@[127.0.0.1]", "a@xn--a", "a@b\u2028", "a@\u202eb", "a@b.", "a@-b", strings.Repeat("a", 300) + "@b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		address, err := ParseAddress(s)
		if err != nil {
			if address != "" {
				t.Errorf("%q with %v", address, err)
			}
			return
		}
		at := strings.LastIndexByte(address, '@')
		if at < 1 || strings.ContainsAny(address, " \t\r\n<>,;:()[]\"\\") || strings.ContainsFunc(address[at:], func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("%q is %q", s, address)
		}
		if again, err := ParseAddress(address); err != nil || again != address {
			t.Errorf("%q again is %q, %v", address, again, err)
		}
	})
}

// Text that a person has chosen adds no header, no line, and no character that misleads.
func FuzzMail(f *testing.F) {
	for _, s := range []string{
		"Alice's key", "x\r\nBcc: bob@example.com", "x\n\nhello", "\u2028\u2029\u0085", "\u202egnp.exe", "\x00\x1b[31m", "<script>alert(1)</script>",
		"{{.Link}}", "{brand}", "{name}", "=?utf-8?q?x?=", "\xff\xfe", strings.Repeat("ä", 500), ".\r\n", "--authzd-id--", "https://evil.example/",
	} {
		f.Add(s)
	}
	office := testOffice(f)
	f.Fuzz(func(t *testing.T, s string) {
		for _, known := range []Message{PasskeyAdded{}, AccountLinked{}, AddressChanged{}, NewDevice{}} {
			m, err := office.write(Envelope{ID: "id", At: time.Now(), To: Recipient{Address: "alice@example.com"}}, filled(known, s))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := office.write(Envelope{ID: "id", At: m.Date, To: Recipient{Address: "alice@example.com"}}, filled(known, "x"))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Count(m.Text, "\n"), strings.Count(plain.Text, "\n"); got > want {
				t.Errorf("%d lines, want %d:\n%s", got, want, m.Text)
			}
			for _, r := range m.Subject + m.Text {
				if r != '\n' && !unicode.IsPrint(r) && !unicode.In(r, unicode.Zs) {
					t.Errorf("%U in\n%s", r, m.Text)
				}
			}
			if strings.Contains(m.HTML, "<script") {
				t.Errorf("a script:\n%s", m.HTML)
			}
			msg, err := m.message()
			if err != nil {
				t.Fatal(err)
			}
			var raw strings.Builder
			if _, err := msg.WriteTo(&raw); err != nil {
				t.Fatal(err)
			}
			parsed, err := netmail.ReadMessage(strings.NewReader(raw.String()))
			if err != nil {
				t.Fatal(err)
			}
			if len(parsed.Header) != 10 || parsed.Header.Get("To") != "<alice@example.com>" || len(parsed.Header["Subject"]) != 1 {
				t.Errorf("headers: %v", parsed.Header)
			}
		}
	})
}
