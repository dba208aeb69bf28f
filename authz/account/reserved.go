package account

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// reservedNames are usernames that no upstream may give, because people would think that such a user speaks
// for the service.
var reservedNames = []string{
	"abuse", "admin", "administrator", "authzd", "hostmaster", "moderator", "noreply", "operator", "owner", "postmaster",
	"root", "security", "superuser", "support", "sysadmin", "system", "webmaster",
}

// lookAlikes maps letters and digits that look like others to those, without marks and in lower case.
var lookAlikes = strings.NewReplacer(
	"0", "o", "1", "l", "2", "z", "3", "e", "4", "a", "5", "s", "7", "t", "$", "s", "|", "l", "!", "l", "i", "l", "ı", "l", "j", "l",
	"а", "a", "в", "b", "е", "e", "з", "e", "і", "l", "ј", "l", "к", "k", "м", "m", "н", "h", "о", "o", "р", "p", "с", "c", "ѕ", "s", "т", "t", "у", "y", "х", "x", "ԁ", "d", "ո", "n", "ս", "u", "ԛ", "q", "ԝ", "w", "һ", "h", "п", "n", "г", "r",
	"α", "a", "β", "b", "ε", "e", "ζ", "z", "η", "n", "ι", "l", "κ", "k", "μ", "m", "ν", "v", "ο", "o", "ρ", "p", "σ", "s", "τ", "t", "υ", "u", "χ", "x", "γ", "y",
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "ß", "ss", "ɑ", "a", "ɡ", "g",
)

// lookAlikePairs are pairs of letters that look like one. An i is an l by then.
var lookAlikePairs = strings.NewReplacer("rn", "m", "cl", "d", "vv", "w")

// disguised reports whether a name mixes Latin letters with letters of other scripts, or with phonetic ones.
// Few people have such names, and there are more look-alikes than lookAlikes has. Japanese, Chinese and
// Korean names may have Latin letters in them.
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

// likeness is equal for names that look alike: it ignores marks, separators and the scripts of letters.
func likeness(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsMark(r) || strings.ContainsRune("._-+'`~ ", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	return lookAlikePairs.Replace(lookAlikes.Replace(plain))
}

// isReserved reports whether an upstream must not give a username: a reserved one, one of a user of the
// configuration, or a look-alike.
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
