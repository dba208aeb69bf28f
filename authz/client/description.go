package client

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Description is the metadata of a client as an operator gives them.
//
//	Metadata -> Describe -> Complete -> Problems: each with the path of a member, the reason and a hint
type Description struct {
	*Metadata

	// Given reports whether a member was given, even if it could not be read.
	Given func(name string) bool
	// Broken reports whether a problem is known already with what is at a path, or above or below it.
	Broken func(path string) bool
	// MakesSecrets says that the server makes the secrets: the description has none.
	MakesSecrets bool
}

// Describe begins a description of which those members were given that are not zero.
func Describe(m *Metadata) *Description {
	given := map[string]bool{}
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		given[member.Name(v.Type().Field(i))] = !v.Field(i).IsZero()
	}
	return &Description{
		Metadata: m,
		Given:    func(name string) bool { return given[name] },
		Broken:   func(string) bool { return false },
	}
}

// Manage completes the description of a client that an operator makes through the admin API, and returns everything
// that is wrong with it. The server makes the secrets of such a client.
func (m *Metadata) Manage(s *Server) member.Problems {
	var found member.Problems
	if len(m.JWKS) > 0 {
		set, flaw := ParseJWKS(string(m.JWKS))
		found.Add("jwks", nil, flaw)
		m.JWKS = set
	}
	d := Describe(m)
	d.MakesSecrets = true
	d.Complete(s)
	return append(found, d.Problems(s)...)
}

// preset is what Metadata.Preset fills in.
type preset struct {
	authMethod string
	grantTypes []string
}

// Presets of a client.
const (
	presetSPA     = "spa"
	presetNative  = "native"
	presetWeb     = "web"
	presetService = "service"
)

var presets = map[string]preset{
	"":            {AuthBasic, []string{GrantAuthorizationCode}}, // RFC 7591 section 2
	presetSPA:     {AuthNone, []string{GrantAuthorizationCode, GrantRefreshToken}},
	presetNative:  {AuthNone, []string{GrantAuthorizationCode, GrantRefreshToken}},
	presetWeb:     {AuthBasic, []string{GrantAuthorizationCode, GrantRefreshToken}},
	presetService: {AuthBasic, []string{GrantClientCredentials}},
}

// Complete gives each member that was not given its default. All defaults stand here, but those of a profile.
func (d *Description) Complete(s *Server) {
	m, p := d.Metadata, presets[d.Preset]
	m.Resources, m.ExchangeResources = s.NameResources(m.Resources), s.NameResources(m.ExchangeResources)
	m.Name = cmp.Or(m.Name, m.ID)
	m.AuthMethod = cmp.Or(m.AuthMethod, m.defaultAuthMethod(p))
	m.AnySecretMethod = m.UsesSecret() && !d.Given("token_endpoint_auth_method")
	fillList(&m.GrantTypes, p.grantTypes...)
	if m.May(GrantAuthorizationCode) {
		fillList(&m.ResponseTypes, "code")
	}
	if m.signsIn() && len(m.Scopes) == 0 {
		m.Scopes = member.Scopes{"openid"}
	}
	fillList(&m.AllowedOrigins, weburl.Origins(m.RedirectURIs)...)
	if m.RequirePKCE == nil && m.Public() {
		m.RequirePKCE = new(true)
	}
	if m.RotateRefreshTokens == nil {
		m.RotateRefreshTokens = new(m.Public())
	}
	d.completeProfile()
	m.SubjectType = cmp.Or(m.SubjectType, SubjectPublic)
	alg := m.defaultAlg(s.SigningAlg)
	m.IDTokenAlg = cmp.Or(m.IDTokenAlg, alg)
	m.AuthorizationAlg = cmp.Or(m.AuthorizationAlg, alg)
	m.IntrospectionAlg = cmp.Or(m.IntrospectionAlg, alg)
	d.completeTimes(&s.Lifetimes)
}

func (d *Description) completeTimes(t *Lifetimes) {
	m := d.Metadata
	fill := func(name string, to *member.Duration, value time.Duration) {
		if !d.Given(name) {
			*to = member.Duration(value)
		}
	}
	fill("access_token_lifetime", &m.AccessTokenLifetime, t.AccessToken)
	fill("id_token_lifetime", &m.IDTokenLifetime, t.IDToken)
	fill("refresh_token_lifetime", &m.RefreshTokenLifetime, t.RefreshToken)
	fill("refresh_idle_lifetime", &m.RefreshIdleLifetime, min(t.RefreshIdle, time.Duration(m.RefreshTokenLifetime)))
	if m.RefreshGrace == nil {
		m.RefreshGrace = new(min(member.Duration(m.defaultGrace(t.RefreshGrace)), m.RefreshIdleLifetime))
	}
}

func fillList(list *[]string, values ...string) {
	if len(*list) == 0 {
		*list = slices.Clone(values)
	}
}

// nativeGrace is how long an app on a phone may need to come back for an answer that it lost.
const nativeGrace = 24 * time.Hour

// defaultGrace is the server's, or the longer one of native apps. An operator who wants no retries at all gets none.
func (m *Metadata) defaultGrace(server time.Duration) time.Duration {
	if m.Preset == presetNative && server > 0 {
		return nativeGrace
	}
	return server
}
