package account

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// reservedNames are usernames that no upstream may give: people would take such a user for somebody who
// speaks for the service.
var reservedNames = []string{
	"abuse", "admin", "administrator", "authzd", "hostmaster", "moderator", "noreply", "operator", "owner", "postmaster",
	"root", "security", "superuser", "support", "sysadmin", "system", "webmaster",
}

// lookAlikes are letters and digits that people take for others, without marks and in lower case.
var lookAlikes = strings.NewReplacer(
	"0", "o", "1", "l", "2", "z", "3", "e", "4", "a", "5", "s", "7", "t", "$", "s", "|", "l", "!", "l", "i", "l", "ı", "l", "j", "l",
	"а", "a", "в", "b", "е", "e", "з", "e", "і", "l", "ј", "l", "к", "k", "м", "m", "н", "h", "о", "o", "р", "p", "с", "c", "ѕ", "s", "т", "t", "у", "y", "х", "x", "ԁ", "d", "ո", "n", "ս", "u", "ԛ", "q", "ԝ", "w", "һ", "h", "п", "n", "г", "r",
	"α", "a", "β", "b", "ε", "e", "ζ", "z", "η", "n", "ι", "l", "κ", "k", "μ", "m", "ν", "v", "ο", "o", "ρ", "p", "σ", "s", "τ", "t", "υ", "u", "χ", "x", "γ", "y",
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "ß", "ss", "ɑ", "a", "ɡ", "g",
)

// lookAlikePairs are letters that people take for one; an i is an l by then.
var lookAlikePairs = strings.NewReplacer("rn", "m", "cl", "d", "vv", "w")

// disguised reports whether letters of other scripts, or of phonetic ones, stand among Latin ones: few people
// are called so, and there are more look-alikes than lookAlikes has. Japanese, Chinese and Korean names may
// have Latin letters in them.
func disguised(name string) bool {
	latin, other := false, false
	for _, r := range name {
		switch {
		case r >= 0x250 && r <= 0x2ff, r >= 0x1d00 && r <= 0x1dbf: // phonetic and modifier letters
			return true
		case !unicode.IsLetter(r), unicode.In(r, unicode.Common, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo):
		case unicode.Is(unicode.Latin, r):
			latin = true
		default:
			other = true
		}
	}
	return latin && other
}

// likeness is the same for names that look alike: it ignores marks, separators and the scripts of letters.
func likeness(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsMark(r) || strings.ContainsRune("._-+'`~ ", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	return lookAlikePairs.Replace(lookAlikes.Replace(plain))
}

// isReserved reports whether an upstream must not give a username: one of ours, one of a user of the
// configuration, or what looks like it.
func (d *Directory) isReserved(name string) bool {
	if disguised(name) {
		return true
	}
	like := likeness(name)
	same := func(other string) bool { return likeness(other) == like }
	if slices.ContainsFunc(reservedNames, same) {
		return true
	}
	named := d.named.Load()
	return named != nil && slices.ContainsFunc(*named, same)
}
