package bearer

import (
	"net/http"
	"testing"
	"time"
)

func TestRFC9470Section3_Challenges(t *testing.T) {
	v := newIssuer().verifier(t)
	now := time.Now().Unix()
	const (
		stepUpError = `, error="insufficient_user_authentication", error_description="`
		stronger    = stepUpError + `a stronger login is needed"`
		recent      = stepUpError + `a more recent login is needed"`
		both        = stepUpError + `a stronger or more recent login is needed"`
	)
	mfa, fresh := RequireACR("mfa"), RequireAuthAge(5*time.Minute)
	nested := func(outer, inner func(http.Handler) http.Handler) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return outer(inner(next)) }
	}
	for name, test := range map[string]struct {
		require   func(http.Handler) http.Handler
		claims    object
		challenge string // empty: let through
	}{
		"acr":                      {mfa, object{"acr": "mfa"}, ""},
		"one of two":               {RequireACR("mfa", "hwk"), object{"acr": "hwk"}, ""},
		"another acr":              {mfa, object{"acr": "pwd"}, stronger + `, acr_values="mfa"`},
		"no acr":                   {RequireACR("mfa", "hwk"), object{"acr": nil}, stronger + `, acr_values="mfa hwk"`},
		"acr in another case":      {mfa, object{"acr": "MFA"}, stronger + `, acr_values="mfa"`},
		"fresh":                    {fresh, object{"auth_time": now - 290}, ""},
		"within the leeway":        {fresh, object{"auth_time": now - 320}, ""},
		"stale":                    {fresh, object{"auth_time": now - 340}, recent + `, max_age="300"`},
		"no auth_time":             {fresh, object{"auth_time": nil}, recent + `, max_age="300"`},
		"half a second more":       {RequireAuthAge(1500 * time.Millisecond), object{"auth_time": now - 60}, recent + `, max_age="2"`},
		"both":                     {nested(mfa, fresh), object{"acr": "mfa", "auth_time": now}, ""},
		"both, weak":               {nested(mfa, fresh), object{"acr": "pwd", "auth_time": now}, both + `, acr_values="mfa", max_age="300"`},
		"both, stale":              {nested(fresh, mfa), object{"acr": "mfa", "auth_time": now - 999}, both + `, acr_values="mfa", max_age="300"`},
		"two acrs, the inner":      {nested(mfa, RequireACR("hwk")), object{"acr": "mfa"}, stronger + `, acr_values="hwk"`},
		"two acrs, the outer":      {nested(mfa, RequireACR("hwk")), object{"acr": "hwk"}, stronger + `, acr_values="mfa"`},
		"two ages, the inner":      {nested(fresh, RequireAuthAge(time.Minute)), object{"auth_time": now - 120}, recent + `, max_age="60"`},
		"two ages, the outer":      {nested(RequireAuthAge(time.Minute), fresh), object{"auth_time": now - 120}, recent + `, max_age="60"`},
		"acr that splits a header": {RequireACR("a\"\r\nX: y"), object{}, stronger + `, acr_values="a\"??X: y"`},
	} {
		claims := goodClaims()
		for name, value := range test.claims {
			claims[name] = value
		}
		w := serve(v.Protect(test.require(hello)), get("/", "Bearer "+token(header(), claims)))
		if test.challenge != "" {
			want(t, name, w, 401, test.challenge, "insufficient_user_authentication")
			if n := len(w.Header().Values("WWW-Authenticate")); n != 1 {
				t.Errorf("%s: %d challenges", name, n)
			}
		} else if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	want(t, "outside of Protect", serve(mfa(hello), get("/", "Bearer "+goodToken())), 500, "", "server_error")
}

// A client that sent a proof is challenged in the scheme of proofs.
func TestRFC9470Section3_WithDPoP(t *testing.T) {
	bound := boundToken()
	h := newIssuer().verifier(t).Protect(RequireACR("mfa")(hello))
	w := serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))))
	challenge := `DPoP realm="` + testAudience + `", error="insufficient_user_authentication", error_description="a stronger login is needed", acr_values="mfa"` + dpopAlgs
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != challenge {
		t.Errorf("%d %s", w.Code, got)
	}
}

// The user of an old session cookie steps up as well.
func TestRFC9470Section3_OfALegacySession(t *testing.T) {
	legacy := func(r *http.Request) (*Principal, bool) {
		return &Principal{Subject: "bob", AuthTime: time.Now().Add(-time.Hour)}, true
	}
	h := newIssuer().verifier(t).Either(legacy, RequireAuthAge(time.Minute)(hello))
	if w := serve(h, get("/")); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRequireNothingPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"no acr":      func() { RequireACR() },
		"no age":      func() { RequireAuthAge(0) },
		"an age of 0": func() { RequireAuthAge(time.Millisecond) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
