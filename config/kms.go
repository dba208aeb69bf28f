package config

// KMS keeps the server's secrets under a key that is kept elsewhere: what stands in secret_file is of no
// use without it. The key is asked for once, at the start. At most one of its members may be set.
type KMS struct {
	// Local is a key that this machine holds, such as a credential of the service manager.
	Local KMSLocal `yaml:"local"`

	// PKCS11 is a key in a hardware security module. It needs an authzd that was built with cgo.
	PKCS11 PKCS11 `yaml:"pkcs11"`
}

// KMSLocal is a key that this machine holds.
type KMSLocal struct {
	// Key is 32 random bytes as base64 text, as "openssl rand -base64 32" makes it. Keep it where
	// neither the database nor secret_file is.
	Key Secret `yaml:"key"`
}

// PKCS11 is a key in a hardware security module: all members, or none.
type PKCS11 struct {
	// Module is the library of the module, such as /usr/lib/softhsm/libsofthsm2.so.
	Module string `yaml:"module" path:"library"`

	// Token is the label of the token that has the key.
	Token string `yaml:"token"`

	// PIN is that of the token's user.
	PIN Secret `yaml:"pin"`

	// Key is the label of the AES key that wraps new secrets. Those that another key of the token wrapped
	// are unwrapped by that one.
	Key string `yaml:"key"`
}

// On tells whether a module is configured.
func (p PKCS11) On() bool { return p != PKCS11{} }

func (l *loader) checkKMS() {
	k := l.cfg.KMS
	if !k.PKCS11.On() {
		return
	}
	if k.Local.Key != "" {
		l.report("kms", nil, problemf("remove local or pkcs11", "both are configured"))
	}
	for _, member := range []struct{ key, value string }{
		{"module", k.PKCS11.Module}, {"token", k.PKCS11.Token}, {"pin", string(k.PKCS11.PIN)}, {"key", k.PKCS11.Key},
	} {
		if path := "kms.pkcs11." + member.key; member.value == "" && !l.given(path) {
			l.report(path, nil, problemf("set it too, or nothing of kms.pkcs11", "is missing"))
		}
	}
}
