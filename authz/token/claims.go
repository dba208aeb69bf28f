package token

import (
	"cmp"
	"maps"
	"slices"

	"github.com/authzd/authzd/storage"
)

// claimsOf lists the claims that a scope stands for (OpenID Connect Core section 5.4).
var claimsOf = map[string][]string{
	"profile": {
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
	"groups":  {"groups"},
}

// SupportedClaims returns the claims_supported of the discovery document, sorted.
func SupportedClaims() []string {
	claims := []string{"acr", "amr", "aud", "auth_time", "exp", "iat", "iss", "nonce", "roles", "sid", "sub"}
	for _, names := range claimsOf {
		claims = append(claims, names...)
	}
	slices.Sort(claims)
	return claims
}

// ScopeClaims returns the claims about a user that the scopes allow (OpenID Connect Core section 5.4), and with
// the scope profile the roles. Claims without a value are left out.
func ScopeClaims(user *storage.User, scopes []string) map[string]any {
	var names []string
	for _, scope := range scopes {
		names = append(names, claimsOf[scope]...)
	}
	claims := NamedClaims(user, names)
	if slices.Contains(scopes, "profile") && len(user.Roles) > 0 {
		claims["roles"] = user.Roles
	}
	return claims
}

// NamedClaims returns the claims about a user that names lists. Claims without a value are left out.
func NamedClaims(user *storage.User, names []string) map[string]any {
	if len(names) == 0 {
		return map[string]any{}
	}
	claims := UserClaims(user)
	maps.DeleteFunc(claims, func(name string, _ any) bool { return !slices.Contains(names, name) })
	return claims
}

// UserClaims returns all claims about a user that have a value (OpenID Connect Core section 5.1), without sub
// and roles.
func UserClaims(user *storage.User) map[string]any {
	p := user.Profile
	claims := map[string]any{"updated_at": user.UpdatedAt.Unix()}
	for _, text := range [...]struct{ name, value string }{
		{"name", p.Name}, {"given_name", p.GivenName}, {"family_name", p.FamilyName}, {"middle_name", p.MiddleName},
		{"nickname", p.Nickname}, {"preferred_username", cmp.Or(p.PreferredUsername, user.Username)},
		{"profile", p.Profile}, {"picture", p.Picture}, {"website", p.Website}, {"email", p.Email},
		{"gender", p.Gender}, {"birthdate", p.Birthdate}, {"zoneinfo", p.Zoneinfo}, {"locale", p.Locale},
		{"phone_number", p.PhoneNumber},
	} {
		if text.value != "" {
			claims[text.name] = text.value
		}
	}
	if p.Email != "" {
		claims["email_verified"] = p.EmailVerified
	}
	if p.PhoneNumber != "" {
		claims["phone_number_verified"] = p.PhoneNumberVerified
	}
	if p.Address != nil {
		claims["address"] = p.Address
	}
	if len(user.Groups) > 0 {
		claims["groups"] = user.Groups
	}
	return claims
}

// ScopeOf returns the scope that a claim belongs to, "" if it belongs to none.
func ScopeOf(claim string) string {
	for scope, names := range claimsOf {
		if slices.Contains(names, claim) {
			return scope
		}
	}
	return ""
}
