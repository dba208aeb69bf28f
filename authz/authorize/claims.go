package authorize

import (
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
)

// requestedClaims is the part of the claims parameter (OpenID Connect Core section 5.5) that this server can
// honour. It does not matter whether a claim about the user is essential: the claim is sent if it is known
// (section 5.5.1).
type requestedClaims struct {
	IDToken  []string // claims about the user for the ID token
	UserInfo []string // claims about the user for userinfo
	authTime bool     // the ID token is to have auth_time

	authTimeEssential bool // it must (OpenID Connect Core section 2)

	acr          []string   // the ID token is to have one of these
	acrEssential bool       // if it can't, the request fails (section 5.5.1.1)
	subjects     [][]string // the user must be one of each (section 5.5.1)
}

// claimRequest is the request for one claim. null requests it without conditions.
type claimRequest struct {
	claimShape
	Value  *string  `json:"value"`
	Values []string `json:"values"`
}

// claimShape is the part of a claimRequest that does not depend on the type of the claim.
type claimShape struct {
	Essential bool `json:"essential"`
}

// parseClaims reads the claims parameter. It refuses JSON of the wrong shape, and ignores unknown claims.
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
	r.IDToken, r.UserInfo = userClaimNames(parsed.IDToken), userClaimNames(parsed.UserInfo)
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

// parseClaimRequest reads the request for acr or sub. These claims are strings, and their values count.
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

// userClaimNames returns the claims about the user, sorted.
func userClaimNames(members map[string]json.RawMessage) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return token.ScopeOf(name) == "" })
}
