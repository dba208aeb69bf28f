package users

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/member"
)

func TestAcceptsHashes(t *testing.T) {
	salt22, hash43 := strings.Repeat("a", 22), strings.Repeat("b", 43)
	for _, password := range []string{
		"plain", "$", "$ecret", "$a$b", "pa$$word", "$2", "correct horse battery staple",
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt22 + "$" + hash43,
		"$2b$12$" + strings.Repeat("a", 53), "$2y$10$" + strings.Repeat("./", 26) + "a",
		"$scrypt$ln=17,r=8,p=1$" + salt22 + "$" + hash43,
		"$pbkdf2-sha256$i=600000$" + salt22 + "$" + hash43, "$pbkdf2-sha512$210000$" + salt22 + "$" + hash43,
	} {
		if ps := (&User{Username: "a", Password: member.Secret(password)}).Problems(nil); ps != nil {
			t.Errorf("%s: %v", password, ps.Err())
		}
	}
}
