package authorize

import (
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
)

// requestedClaims is the claims parameter (OpenID Connect Core section 5.5), reduced to what this
// server can honour. That a claim of the user is essential changes nothing: it is sent if it is known
// (section 5.5.1).
type requestedClaims struct {
	IdToken  []string // claims of the user that the ID token shall carry
	UserInfo []string // likewise userinfo
	authTime bool     // the ID token shall have auth_time

	authTimeEssential bool // it must (OpenID Connect Core section 2)

	acr          []string   // one of these, of the ID token
	acrEssential bool       // or the request fails (section 5.5.1.1)
	subjects     [][]string // the user must be one of each (section 5.5.1)
}

// claimRequest is what is said about a claim; null is a request for it without more.
type claimRequest struct {
	claimShape
	Value  *string  `json:"value"`
	Values []string `json:"values"`
}

// claimShape is what all claims have in common, of whatever type their values are.
type claimShape struct {
	Essential bool `json:"essential"`
}

// parseClaims refuses what is not JSON of the right shape and ignores claims that it does not know.
func parseClaims(raw string) (requestedClaims, error) {
	var r requestedClaims
	var parsed struct {
		IDToken  map[string]json.RawMessage `json:"id_token"`
		UserInfo map[string]json.RawMessage `json:"userinfo"`
	}
	if raw == "" {
		return r, nil
	}
	malformed := oauth.Refuse(oauth.InvalidRequest, "The claims parameter is not the JSON that OpenID Connect Core section 5.5 describes.")
	if err := json.Unmarshal([]byte(raw), &parsed); err != nil {
		return r, malformed.Because(err)
	}
	for _, members := range []map[string]json.RawMessage{parsed.IDToken, parsed.UserInfo} {
		for _, said := range members {
			if err := json.Unmarshal(said, new(claimShape)); err != nil {
				return r, malformed.Because(err)
			}
		}
		sub, err := parseClaimRequest(members["sub"])
		if err != nil {
			return r, malformed.Because(err)
		}
		if values := sub.values(); len(values) > 0 {
			r.subjects = append(r.subjects, values)
		}
	}
	acr, err := parseClaimRequest(parsed.IDToken["acr"])
	if err != nil {
		return r, malformed.Because(err)
	}
	r.acr, r.acrEssential = acr.values(), acr.Essential
	r.IdToken, r.UserInfo = userClaimNames(parsed.IDToken), userClaimNames(parsed.UserInfo)
	authTime, asked := parsed.IDToken["auth_time"]
	if r.authTime = asked; asked {
		var shape claimShape
		if err := json.Unmarshal(authTime, &shape); err != nil {
			return r, malformed.Because(err)
		}
		r.authTimeEssential = shape.Essential
	}
	return r, nil
}

// parseClaimRequest is for the claims whose value matters, acr and sub: they are strings.
func parseClaimRequest(raw json.RawMessage) (claimRequest, error) {
	var c claimRequest
	if raw == nil {
		return c, nil
	}
	return c, json.Unmarshal(raw, &c)
}

func (c claimRequest) values() []string {
	if c.Value != nil {
		return []string{*c.Value}
	}
	return c.Values
}

// userClaimNames keeps the claims that are about the user.
func userClaimNames(members map[string]json.RawMessage) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return token.ScopeOf(name) == "" })
}
