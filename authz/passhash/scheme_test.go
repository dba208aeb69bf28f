package passhash

import (
	"errors"
	"strings"
	"testing"
)

// verified are hashes that other programs have made of these passwords.
var verified = []struct{ hash, password string }{
	{"$2b$10$y7pASUxZGF7vOMjkEtF77.X4foi7jLvGwfrW3f3JzgYbAmge4UlUK", "Kestrel-above-the-quarry-41"},                                                               // bcrypt-2b
	{"$2a$10$n9sqyY1u7ZofMVi/h9yE5e446X9f182HXBXCTDXYzMoqQut/bMleS", "løvetann und Straßenbahn 7"},                                                                // bcrypt-2a
	{"$2y$08$Ui6uJUwkKkpX/0brzm3k1ur.f1ZD19vrlIpqCzywjdCE/GsASbawW", "tidewater.Lantern_88"},                                                                      // bcrypt-2y
	{"$2a$10$9FDnVYk2Pw.Lj6/lU1/nz.9s2h./E22vz6yPz3iz28HUMMdzJ9Ifi", "seventeen blue herons"},                                                                     // supabase-bcrypt (auth.users.encrypted_password)
	{"$pbkdf2-sha256$29000$MiaE8H7v/d/bm1PKeY/RGg$fASxTC2rGoV7mpdzls73acsZOQS7ih8wG4lxqPqDHBI", "Kestrel-above-the-quarry-41"},                                    // passlib-pbkdf2-sha256
	{"$pbkdf2-sha512$25000$Q4jxPgcgxPgfI4Rw7p1TCg$KlQUACyfmicvmP2b2zQgFS88j2yVFbx9/jEpi4Ko/2zbO3P59dz/P3UmKtD.U64Ht9hXxOtvPS2s1aHeDNBRIg", "пароль-для-проверки"}, // passlib-pbkdf2-sha512
	{"$scrypt$ln=14,r=8,p=1$NCbEGIMwBiCk9L4XopSS8g$wHW8lNgiXw+5UK+ABA+pcljTyP9C4TPszmS25cfzXMw", "seventeen blue herons"},                                         // passlib-scrypt
	{"$argon2id$v=19$m=65536,t=3,p=4$ep57oJJGm5xWjSPfevwJvQ$Z6zkHmdBKf9kOUwmnZMRf9N5Eh4Z0stN4CAxE3ZzmIE", "emoji 🦉 at noon"},                                      // argon2id-phc
	{"$pbkdf2-sha256$i=100000,l=32$LAmGmlSGMOWhZm9W3luukA$xqG5aNCQTDSfSRMi4sVCQ3QwDurKZ2XfWmeDqx/YXVw", "hunter of small bugs 3"},                                 // kratos-pbkdf2
}

func TestVerified(t *testing.T) {
	for _, tt := range verified {
		h, err := Parse(tt.hash)
		if err != nil || Check(tt.hash) != nil || Scheme(tt.hash) == "" {
			t.Errorf("%s: %v, %v", tt.hash, err, Check(tt.hash))
			continue
		}
		if !h.Verify([]byte(tt.password)) || h.Verify([]byte(tt.password+"x")) {
			t.Errorf("%s: its password does not match, or another does", tt.hash)
		}
	}
}

// named are hashes that can't be verified, by what the refusal must call them.
var named = []struct{ hash, name string }{
	{"bcrypt$$2b$08$M1INW6bTmpcp/YhNP5DkDugfPMxJvQGYgs4LMwoNH9QjWJasA/xNi", ""},                                                                                                // django-bcrypt
	{"pbkdf2_sha256$1000000$q7LkV2sT9wYx0aRbE4nMdu$XM9GyEvZNXBjb/njklFQJrWMuXp6XJhIQUy5vrvtECo=", ""},                                                                          // django-pbkdf2_sha256
	{"pbkdf2_sha256$12000$seasalt2Xk9Q$hv1OFKAtHUHYQKe31K++GkfkSiA+rGIeiRy1CQsWvxM=", ""},                                                                                      // django-pbkdf2_sha256-old
	{"pbkdf2_sha1$20000$Zk3pQ8rT5vWx$2ch5aCkp6DK13fDIsavlqwrQOK4=", ""},                                                                                                        // django-pbkdf2_sha1
	{"argon2$argon2id$v=19$m=102400,t=2,p=8$Ylc5emMza3RjM1J2Ym1VdGQyRnNiQQ$hTTAn1oNC9lIQqSfS/+7CX2FA0GLKAQi6FRcqq4GU/o", ""},                                                   // django-argon2
	{"scrypt$16384$Nn4Rt7Yu1Io0Pa$8$5$fS47xGXnbXQmYvsdNGlK9M5W1yvb6/qHeGvgeaVZ9MSwGFAOphZN7ldWTfiUQQCODUMOlgqNafjMg3Z+yxOn7g==", ""},                                           // django-scrypt
	{"$bcrypt-sha256$v=2,t=2b,r=8$moH1HLdZZ2CjiOeOwZwCqe$O3nPmy3ccilZQiAEa0mau7JADls6mKm", ""},                                                                                 // passlib-bcrypt-sha256-v2
	{"$argon2i$v=19$m=16384,t=3,p=2$C9mXUBfKnFFjDSj3Sht6wQ$3AcMCGSQdh71yk4eULP436sabp2fe+jh+EMTPq9MHEQ", ""},                                                                   // argon2i-phc
	{"$argon2d$v=19$m=16384,t=2,p=1$LNkCG3vhA3n7yB0L3wD7lQ$Qaqn8hQuWiNlg5tnGGZ2k/4m2+gO39R3q6bO+RFuFQY", ""},                                                                   // argon2d-phc
	{"$argon2i$v=16$m=8192,t=3,p=1$CG8VsfLecBMMUdyrL8qOjw$HRkBAxsTxK/dLO5V4GdW4RPAxJFl/UOT3nWj/coIssM", ""},                                                                    // argon2i-v16
	{"{ARGON2}$argon2id$v=19$m=7168,t=2,p=1$jQYYi6lFbgnno/xc2Wvtcg$CJTiLnjHMsK8WCMecFs9SfdS4YUYhxYa8X1H/aRm1aI", ""},                                                           // ldap-{ARGON2}
	{"scrypt:32768:8:1$4OavgB1pSIrqcRYf$5fefd57e714fa3da605c3cee44e9a23bd4ec1bb2dda75a2606349341163d7d27b3e9e0e3fa8f0f0a32fbd047529b5d6c4da29cbf50ae2c8b85313f86b7b09d50", ""}, // werkzeug-scrypt
	{"pbkdf2:sha256:600000$iMUEhjKb$fcdd08384d0a0bbd438b556d930b7c5972e2580aff12a0708f9a85f8d7f889be", ""},                                                                     // werkzeug-pbkdf2
	{"{SSHA}4b92DxImZB+NgCt/4KlAdPuc39Blmz7XgWoDWw==", ""},                                                                                                                     // ldap-{SSHA}
	{"{SSHA256}WpLBLq6JMIYXMXTcEhdeQf9qctw6Ng4LQukw2fK+NPnqo6lflwy7+Q==", ""},                                                                                                  // ldap-{SSHA256}
	{"{SSHA512}mq8joAXKOAaAbkckiPMOQJx49dvn17v7MoJqIv2MUDk4QotMCT6xbATs8JPBc3PF6FxWkB8SKbbLyCRRsoj8vMyiX2Ct2ZtZQYnMU9v0xjs=", ""},                                              // ldap-{SSHA512}
	{"{SHA}Yp20+vWa6Pbbb2awW6vNYZweJI4=", ""},                                                                                                                                  // ldap-{SHA}
	{"{SMD5}3/P0//Dh0OPKQ/ineRpHZUMbh8c=", ""},                                                                                                                                 // ldap-{SMD5}
	{"{PBKDF2-SHA256}40000$nO.ug5Gdl4jlm6TbRg4VQw$sror0H92DQDnTqChQUOKj04tIjARfx/9DQCBriEYqVc", ""},                                                                            // ldap-{PBKDF2-SHA256}
	{"{PBKDF2-SHA512}40000$R.mu7VmLht5BsN3Y0uXPXQ$JcG0a5HSxmLXrvYBMNVFhqczavL/eWD/YFvGO9O5xJeKdPP4REXZYb28FxYQPCcaF/fdnFarsA1XP6F.dILg5Q", ""},                                 // ldap-{PBKDF2-SHA512}
	{"{CRYPT}$6$rounds=20000$Ju9sTk2QwErTy1Ui$ubUJksoMd2XStNC6hPLqhbctUM9JMAsD45x38xOT0prn3eqd/ijldbtRmCrKSDhYzTdWHaBEJHGJXUhvyogFj0", ""},                                     // ldap-{CRYPT}-sha512
	{"$6$fR3sHwAtErS0ng9x$D5BXKHZy9W0IKc90vlnU74lZEu222WC91x5viwkzQMOtYrn6zztE48NCMI7meAfmaAP82AOzj0JqppX/WWFSy/", ""},                                                         // sha512-crypt
	{"$5$rounds=40000$H1llS1deFarm$oKnehbPO8DZRr/cT/zV50Nvct8u32A7AV0cN5w0Lo34", ""},                                                                                           // sha256-crypt-rounds
	{"$1$oldPa55a$HkqaUlahctE1uici8XJ0N1", ""},                                                                                                                                 // md5-crypt
	{"$apr1$qjAyE2Hk$nqO.cb66MmWMVNDaJDnII/", ""},                                                                                                                              // apr1
	{"$y$j9T$3kWmQ8sLp0RtYu7vBn2Xa.$Hty15EhF9diCGNnmCxI.FJJv39M1hObkzz0XNpMIIdB", ""},                                                                                          // yescrypt
	{"$7$CU..../....q1w2e3r4t5$HfjTrTV7PeCYxpVeMN1dF4AAiBb2nbHitraGHIqewC/", ""},                                                                                               // scrypt-crypt-$7$
	{"$P$BhUteioam0PrakQfde9W1I7RAgDASu.", ""},                                                                                                                                 // wordpress-$P$
	{"$H$99.5HEdxlzRSZu.8HBkA2I.LnAiLht1", ""},                                                                                                                                 // phpbb-$H$
	{"AANTe5AB43EB9/3eRuIIxxLioaXOBa9Sj+DZJXBbu6T/asI2OH9COdqptFLlwS//vQ==", ""},                                                                                               // aspnet-identity-v2
	{"AQAAAAEAACcQAAAAELjudTyBd28DfMRd60h1yc67BEz6u+HCpbQpOcTAaQA4P4qLy0Ipdzr0FUgReWfJrg==", ""},                                                                               // aspnet-identity-v3-sha256
	{"AQAAAAIAAYagAAAAEBRgxovzQOkrEAQsHDaKNMTWJaG9Lclefl3l38swAhuLsxs07dOQNfCWNt8zi1IDzQ==", ""},                                                                               // aspnet-identity-v3-sha512
	{"$firescrypt$ln=14,r=8,p=1$dA8A1awfuQBjzw==$yAtjzd33/Gvp7Aul4c97SXkxstYtBqif1p66uF+1nvGUHDzQjwP5624u/GehfZ0SUrTkcUgooMf1ywIsT+h6bQ==$Bw==$DzVLYw/c6AxsXbfdWYMC0+tCXe2EDsJgo7KMc/aTMEmDdM1XDAcU5IgakmKpZ4+uS+62ivTGFvwzuV/IKYVFQg==", ""},        // kratos-$firescrypt$
	{"$sha256$pf=e1NBTFR9e1BBU1NXT1JEfQ==$MGxkLXNhbHQ=$i3xMPxeUD/YsIWN7mth5tNK8mly6exkAim2V9rLoGNQ=", ""},                                                                                                                                            // kratos-$sha256$-pf
	{"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=DzVLYw/c6AxsXbfdWYMC0+tCXe2EDsJgo7KMc/aTMEmDdM1XDAcU5IgakmKpZ4+uS+62ivTGFvwzuV/IKYVFQg==$7R2+JuRfjo1Iaw==$NY7AU8ROcXgPiCeEQ+UxHkhFEM4UjHikXJj8wr/S+TAqO3aUYeXFppe3j13adZYM34zUq9S3CbMYh1pqG96CqA==", ""}, // gotrue-$fbscrypt$
	{"!7Kq2Lw9Xs4Ry1Tb8Nm3Vc6Zp0Hd5Jf7Ga2Qe9Wu4", ""},                                                           // django-unusable
	{"$2x$10$EQZVIvvPtdK5ISUqYSec.OUuNUIIf2zzXrm3IHkyeYXjOsEtHY60.", ""},                                        // bcrypt-2x
	{"$2b$10$juPPoCuQua9mWRwbn90REen3gwSh2yq1h3pD0C9YwtBQhbnUvASc", ""},                                         // bcrypt-short
	{"$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""},                                        // bcrypt-cost-31
	{"$argon2id$v=19$m=4194304,t=4,p=4$iTkXzOgp0r2HBpbd+bonfQ$bENVtXurnghaxey6qFPJ/kS9g+85zqPu984tuYlUf14", ""}, // argon2id-4-GiB
	{"$pbkdf2-sha256$2147483647$i+WhkhTOV4KNUFecLu64rg$E2pwol5ukVZjS89kVMaXnAKNRRpshlEXsG5Ibhc+ANU", ""},        // pbkdf2-2^31-1
	{"abYH7TYgEKz2Q", ""},                      // des-crypt
	{"{CRYPT}xyRguAitxLodo", ""},               // ldap-{CRYPT}-des
	{"{CLEARTEXT}abcdefgh", ""},                // ldap-{CLEARTEXT}
	{"5f4dcc3b5aa765d61d8327deb882cf99", ""},   // md5-hex
	{"8846F7EAEE8FB117AD06BDD830B7586C", ""},   // ntlm-hex
	{"{SSHA}yR8L9jGH1uzufWeI2p2K/4hRvw==", ""}, // ssha-short
	{"$blake2b$v=1$abc$def", ""},               // unknown-prefix
	{"md5$seasalt2Xk9$5f4dcc3b5aa765d61d8327deb882cf99", "Django"},
	{"sha1$abc$a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", ""},
	{"unsalted_md5$5f4dcc3b5aa765d61d8327deb882cf99", "Django"},
	{"argon2$argon2i$v=19$m=512,t=2,p=2$x$y", "Django"},
	{"crypt$ab$abYH7TYgEKz2Q", "Django"},
	{"pbkdf2:sha256$iMUEhjKb$fcdd08384d0a", "Werkzeug"},
	{"$bcrypt$2b$12$x", "bcrypt"},
	{"{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "{bcrypt}"},
	{"{noop}swordfish99", "{noop}"},
	{"{ssha}4b92DxImZB+NgCt/4KlAdPuc39Blmz7XgWoDWw==", "{ssha}"},
	{"{SHA256}n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "{sha256}"},
	{"{MD5}X03MO1qnZdYdgyfeuILPmQ==", "{md5}"},
	{"{SASL}user@realm", "{sasl}"},
	{"{BLF-CRYPT}$2y$05$abc", "{blf-crypt}"},
	{"{SHA512-CRYPT.B64}abc", "{sha512-crypt.b64}"},
	{"{SHA256.HEX}abc", "{sha256.hex}"},
	{"{CRAM-MD5}abc", "{cram-md5}"},
	{"{PKCS5S2}abc", "{pkcs5s2}"},
	{"{x-issha, 1024}abc", "{x-issha, 1024}"},
	{"{FSHP1|16|16}abc", "{fshp1|16|16}"},
	{"grub.pbkdf2.sha512.10000.AB.CD", "GRUB"},
	{"2b$10$juPPoCuQua9mWRwbn90REen3gwSh2yq1h3pD0C9YwtBQhbnUvASca", "bcrypt"},
	{"{FOO-HASH}4b92DxImZB+NgCt/4KlA", "foo-hash"},
	{"{\"hashIterations\":27500,\"algorithm\":\"pbkdf2-sha256\"}", "JSON"},
	{"$S$DlUN2Q6nOvcPHbQ4eEA5pcYtzPDQ2VgpGOcIY3TYsyKoCCxqwPDt", "Drupal"},
	{"U$S$DlUN2Q6nOvcPHbQ4eEA5pcYtzPDQ2VgpGOcIY3TYsyKoCCxqwPDt", "Drupal"},
	{"$wp$2y$10$pRpqdxwGZk5zYPqk4Vng8OCjHmXMmYQeMkwNhkFzjRtVT8pX1TzVq", "WordPress"},
	{"$3$$8846f7eaee8fb117ad06bdd830b7586c", "NT"},
	{"$sha1$19703$iVdJqfSE$v4qYKl1zqYThwpjJAoKX6UvlHq/a", "sha1"},
	{"$md5,rounds=904$iPPKEBnEkp3JV8uX$0L6m7rOFTVFn.SGqo2M9W1", "MD5"},
	{"$gy$j9T$x$y", "yescrypt"},
	{"$argon2id", "argon2id"},
	{"$argon2ds$v=19$x", "argon2ds"},
	{"$pbkdf2$1000$abc$def", "pbkdf2"},
	{"$pbkdf2-md5$1000$abc$def", "pbkdf2-md5"},
	{"$2$05$abcdefghijklmnopqrstuu", "bcrypt"},
	{"$2b$", "bcrypt"},
	{"$scrypt$", "scrypt"},
	{"SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "PostgreSQL"},
	{"md55f4dcc3b5aa765d61d8327deb882cf99", "PostgreSQL"},
	{"*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "MySQL"},
	{"5F4DCC3B5AA765D61D8327DEB882CF99", "hex"},
	{"a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "SHA-1"},
	{"d63dc919e201d7bc4c825630d2cf25fdc93d4b2f0d46706d29038d01", "SHA-224"},
	{"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "SHA-256"},
	{"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000", "SHA-384"},
	{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "SHA-512"},
	{"5f4dcc3b5aa765d61d8327deb882cf99:seasalt", "salt"},
	{"seasalt:5f4dcc3b5aa765d61d8327deb882cf99", "salt"},
	{"!$6$abc$def", "shadow"},
	{"!!", "shadow"},
	{"*", "shadow"},
	{"_J9..rasmBYk8r9AiWNc", "DES"},
	{"xyRguAitxLodo", "DES"},
	{"400$8$1e$0123456789abcdef$0123456789abcdef0123456789abcdef", "Ruby"},
	{":B:838c83e1:e4ab7024509eef084cdabd03d8b2972c", "MediaWiki"},
	{"alice:$2y$10$EQZVIvvPtdK5ISUqYSec.OUuNUIIf2zzXrm3IHkyeYXjOsEtHY60.", "hash in it"},
	{"b'$2b$10$juPPoCuQua9mWRwbn90REen3gwSh2yq1h3pD0C9YwtBQhbnUvASca'", "hash in it"},
	{" $2x$10$EQZVIvvPtdK5ISUqYSec.OUuNUIIf2zzXrm3IHkyeYXjOsEtHY60.", "2x"},
	{"0x0100A607BA7C54A24D17B565C59F1743776A10250F581D482DA8", "SQL Server"},
}

// Hashes that can't be verified are refused by their name, and no message holds them.
func TestNamed(t *testing.T) {
	for _, tt := range named {
		scheme, err := Scheme(tt.hash), Check(tt.hash)
		if scheme == "" || !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), scheme) || !strings.Contains(scheme, tt.name) {
			t.Errorf("%s: scheme %q, %v", tt.hash, scheme, err)
		} else if len(tt.hash) > 12 && strings.Contains(err.Error(), tt.hash) {
			t.Errorf("%s: the message has it: %v", tt.hash, err)
		}
	}
}

// A broken hash of a known kind is no password either.
func TestBroken(t *testing.T) {
	for _, tt := range verified {
		for _, broken := range []string{tt.hash[:len(tt.hash)-1], tt.hash[:len(tt.hash)/2], tt.hash[:12], tt.hash + "$", tt.hash + "=", strings.ReplaceAll(tt.hash, "$", "$$")} {
			if Scheme(broken) == "" {
				t.Errorf("%s is a password", broken)
			}
		}
	}
}

// People, and generators of passwords, choose passwords.
func TestPasswords(t *testing.T) {
	for _, password := range []string{
		"", "$", "$ecret", "$a$b", "pa$$word", "$2", "$money$talks", "correct horse battery staple", "Wonderland123", "Summer2026abc", "hunter2hunter",
		"Kestrel-above-the-quarry-41", "løvetann und Straßenbahn 7", "пароль-для-проверки", "{hello}", "{braces} are fine", "!important-thing", "*star*wars*",
		"k9mQ2vX7pL4wZ8rT", "dGhpcyBpcyBhIHJhbmRvbSBwYXNzd29yZCBvZiAzMiBieXRlcw", "tRYz6l6/0nYsfZ7GZf8m0dHqz1GdKQ0cS7oP3UuXk8E=", "deadbeef", "0123456789abcdef",
		"550e8400-e29b-41d4-a716-446655440000", "http://example.com/?a=b", "sha256 is a hash", "md5 and friends", "bcrypt", "$1", "_underscored_password", "Pass:word:1234",
	} {
		if scheme := Scheme(password); scheme != "" {
			t.Errorf("%s: taken for %s", password, scheme)
		}
	}
}

// The ceilings of what may be imported are below those of what is verified.
func TestDear(t *testing.T) {
	const salt, tag = "$MDEyMzQ1Njc4OWFiY2RlZg", "$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw"
	long := "$" + strings.Repeat("A", 86)
	for hash, dear := range map[string]bool{
		"$2b$12$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG": false,
		"$2b$13$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG": true,
		"$argon2id$v=19$m=102400,t=2,p=1" + salt + tag:                 false,
		"$argon2id$v=19$m=102400,t=3,p=1" + salt + tag:                 true,
		"$scrypt$ln=17,r=8,p=1" + salt + tag:                           false,
		"$scrypt$ln=17,r=8,p=2" + salt + tag:                           true,
		"$pbkdf2-sha256$i=1200000" + salt + tag:                        false,
		"$pbkdf2-sha256$i=1200001" + salt + tag:                        true,
		"$pbkdf2-sha256$i=700000" + salt + long:                        true, // two blocks
		"$pbkdf2-sha512$i=300000" + salt + long:                        false,
		"$pbkdf2-sha512$i=300001" + salt + tag:                         true,
	} {
		if _, err := Parse(hash); err != nil {
			t.Errorf("%s: can't be verified: %v", hash, err)
		}
		if err := Check(hash); (err != nil) != dear || dear && !strings.Contains(err.Error(), "ceiling") {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

// BenchmarkDearest measures what the dearest hashes cost that may be imported: a failed login takes several
// times that.
func BenchmarkDearest(b *testing.B) {
	const salt, tag = "$MDEyMzQ1Njc4OWFiY2RlZg", "$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw"
	for name, hash := range map[string]string{
		"of New":        New([]byte("password")),
		"bcrypt":        "$2b$12$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
		"argon2id":      "$argon2id$v=19$m=102400,t=2,p=1" + salt + tag,
		"scrypt":        "$scrypt$ln=17,r=8,p=1" + salt + tag,
		"pbkdf2-sha256": "$pbkdf2-sha256$i=1200000" + salt + tag,
		"pbkdf2-sha512": "$pbkdf2-sha512$i=300000" + salt + tag,
	} {
		h, err := Parse(hash)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.Verify([]byte("another"))
			}
		})
	}
}

func FuzzScheme(f *testing.F) {
	for _, tt := range named {
		f.Add(tt.hash)
	}
	for _, tt := range verified {
		f.Add(tt.hash)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scheme := Scheme(s)
		if _, err := Parse(s); err == nil && scheme == "" {
			t.Errorf("%q can be verified, and is a password", s)
		}
		if err := Check(s); err == nil && scheme == "" || err != nil && len(s) > 40 && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %q, %v", s, scheme, err)
		}
	})
}
