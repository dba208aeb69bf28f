package account

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// reservedNames are usernames that no upstream may give: people take who is called so for somebody who
// speaks for the service.
var reservedNames = []string{
	"abuse", "admin", "administrator", "authzd", "hostmaster", "moderator", "noreply", "operator", "owner", "postmaster",
	"root", "security", "superuser", "support", "sysadmin", "system", "webmaster",
}

// lookAlikes are letters and digits that people take for others.
var lookAlikes = strings.NewReplacer(
	"0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "$", "s", "|", "l", "!", "l", "i", "l", "ı", "l", "j", "l",
	"а", "a", "в", "b", "е", "e", "ё", "e", "з", "e", "і", "l", "ї", "l", "ј", "l", "к", "k", "м", "m", "н", "h", "о", "o", "р", "p", "с", "c", "ѕ", "s", "т", "t", "у", "y", "х", "x", "ԁ", "d", "ո", "n", "ս", "u", "ԛ", "q", "ԝ", "w", "һ", "h", "п", "n", "г", "r",
	"α", "a", "β", "b", "ε", "e", "ζ", "z", "η", "n", "ι", "l", "κ", "k", "μ", "m", "ν", "v", "ο", "o", "ρ", "p", "σ", "s", "τ", "t", "υ", "u", "χ", "x", "γ", "y",
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "ß", "ss", "ɑ", "a", "ɡ", "g",
)

// likeness is the same for names that look alike: marks, separators and the letters' scripts are nothing.
func likeness(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsMark(r) || strings.ContainsRune("._-+'`~ ", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ToLower(name)))
	return strings.ReplaceAll(lookAlikes.Replace(plain), "rn", "m")
}

// isReserved reports whether an upstream must not give a username: one of ours, one of a user of the
// configuration, or what looks like it.
func (d *Directory) isReserved(name string) bool {
	like := likeness(name)
	same := func(other string) bool { return likeness(other) == like }
	if slices.ContainsFunc(reservedNames, same) {
		return true
	}
	named := d.named.Load()
	return named != nil && slices.ContainsFunc(*named, same)
}
