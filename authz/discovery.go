package authz

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/token"
)

// metadataMaxAge is how long clients may cache the discovery document.
const metadataMaxAge = 5 * time.Minute

// discovery serves the metadata of OpenID Connect Discovery 1.0 section 4 and RFC 8414 section 3. It is one
// document, which changes only with the managed clients.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) error {
	m := s.metadata.Load()
	if managed := s.clients.Managed.Known(r.Context()); m.managed != managed {
		m = &metadata{managed, s.discoveryDocument(managed)}
		s.metadata.Store(m)
	}
	writeDocument(w, m.document, metadataMaxAge)
	return nil
}

// metadata is the discovery document with these managed clients.
type metadata struct {
	managed  *directory.Needs
	document []byte
}

// jwks serves the public signing keys (RFC 7517 section 5).
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) error {
	s.keys.Refresh(r.Context())
	body, maxAge := s.keys.JWKS()
	writeDocument(w, body, maxAge)
	return nil
}

// writeDocument answers with JSON that may be cached. It sets Content-Length, because net/http would otherwise
// send a long document in chunks.
func writeDocument(w http.ResponseWriter, body []byte, maxAge time.Duration) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(maxAge.Seconds())))
	_, _ = w.Write(body) // the client may have gone
}

// mtlsMembers adds the members about certificates to the discovery document (RFC 8705 sections 3.3 and 5).
func (s *Server) mtlsMembers(document map[string]any) {
	if s.config.MTLS == nil {
		return
	}
	document["tls_client_certificate_bound_access_tokens"] = true
	if s.auth.Alias("") == "" {
		return
	}
	aliases := map[string]string{}
	for _, name := range []string{
		"token_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
		"pushed_authorization_request_endpoint", "device_authorization_endpoint",
	} {
		if endpoint, ok := document[name].(string); ok {
			aliases[name] = s.auth.Alias(strings.TrimPrefix(endpoint, s.issuer.Origin))
		}
	}
	document["mtls_endpoint_aliases"] = aliases
}

// scopesSupported returns the scopes that a new client can get: those of the registration policy if clients may
// register themselves, and all others. It leaves out the scopes of the admin API.
func (s *Server) scopesSupported() []string {
	scopes := slices.Clone(s.config.Registration.Scopes)
	if !s.config.admitsStrangers() {
		scopes = slices.Clone(resource.UserScopes)
		for _, r := range s.resources {
			scopes = append(scopes, r.Scopes...)
		}
	}
	return slices.DeleteFunc(oauth.Unique(scopes), func(scope string) bool { return strings.HasPrefix(scope, "authzd:") })
}

// sessionActivity says what keeps a session alive: see session.Config.ActivityBeacon.
func (s *Server) sessionActivity() string {
	if s.config.Sessions.Beacon {
		return "beacon"
	}
	return "refresh"
}

// discoveryDocument returns the discovery document. It names only what the configuration has switched on.
func (s *Server) discoveryDocument(managed *directory.Needs) []byte {
	var algs []string
	for _, alg := range slices.Concat(s.algs, managed.Algs) {
		if !slices.Contains(algs, string(alg)) {
			algs = append(algs, string(alg))
		}
	}
	grantTypes := slices.Clone(s.grantTypes)
	for _, grantType := range managed.GrantTypes {
		if !slices.Contains(grantTypes, grantType) {
			grantTypes = append(grantTypes, grantType)
		}
	}
	var resources []string
	for _, r := range s.resources {
		resources = append(resources, r.URI)
	}
	methods, authAlgs := s.config.MTLS.Methods(), jwks.Algorithms
	document := map[string]any{
		"issuer":                                         s.issuer.ID,
		"authorization_endpoint":                         s.issuer.URL("/authorize"),
		"token_endpoint":                                 s.issuer.URL("/token"),
		"userinfo_endpoint":                              s.issuer.URL("/userinfo"),
		"jwks_uri":                                       s.issuer.URL("/jwks.json"),
		"pushed_authorization_request_endpoint":          s.issuer.URL("/par"),
		"require_pushed_authorization_requests":          false, // some clients must (RFC 9126 section 6)
		"introspection_endpoint":                         s.issuer.URL("/introspect"),
		"revocation_endpoint":                            s.issuer.URL("/revoke"),
		"authzd_revocations_endpoint":                    s.issuer.URL("/revocations"),
		"end_session_endpoint":                           s.issuer.URL("/logout"),
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          true,
		"authzd_session_activity":                        s.sessionActivity(), // no standard; for clients with an idle limit of their own
		"scopes_supported":                               s.scopesSupported(),
		"claims_supported":                               token.SupportedClaims(),
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       authorize.ResponseModes,
		"grant_types_supported":                          grantTypes,
		"subject_types_supported":                        []string{client.SubjectPublic, client.SubjectPairwise},
		"id_token_signing_alg_values_supported":          algs,
		"userinfo_signing_alg_values_supported":          algs,
		"authorization_signing_alg_values_supported":     algs, // JARM section 4
		"introspection_signing_alg_values_supported":     algs,
		"dpop_signing_alg_values_supported":              dpop.Algorithms(),
		"code_challenge_methods_supported":               []string{"S256"},
		"prompt_values_supported":                        s.promptValues(),
		"acr_values_supported":                           s.requests.ACRValues(),
		"ui_locales_supported":                           s.pages.Renderer.Languages(),
		"claims_parameter_supported":                     true,
		"request_parameter_supported":                    true,
		"request_uri_parameter_supported":                true,
		"require_request_uri_registration":               true,
		"request_object_signing_alg_values_supported":    jwks.Algorithms,
		"authorization_response_iss_parameter_supported": true,

		"token_endpoint_auth_methods_supported":                    append(methods, client.AuthNone),
		"token_endpoint_auth_signing_alg_values_supported":         authAlgs,
		"revocation_endpoint_auth_methods_supported":               append(methods, client.AuthNone),
		"revocation_endpoint_auth_signing_alg_values_supported":    authAlgs,
		"introspection_endpoint_auth_methods_supported":            methods,
		"introspection_endpoint_auth_signing_alg_values_supported": authAlgs,
	}
	if slices.Contains(grantTypes, client.GrantDeviceCode) {
		document["device_authorization_endpoint"] = s.issuer.URL("/device_authorization")
	}
	if s.config.Registration.On() {
		document["registration_endpoint"] = s.issuer.URL("/register")
	}
	if s.config.Documents {
		document["client_id_metadata_document_supported"] = true
	}
	if types := s.resources.DetailTypes(resources); len(types) > 0 { // RFC 9396 section 10
		document["authorization_details_types_supported"] = types
	}
	s.mtlsMembers(document)
	body, err := json.Marshal(document)
	if err != nil { // strings and booleans always encode
		panic("encode discovery document: " + err.Error())
	}
	return body
}

// promptValues returns the values of prompt that are known (OpenID Connect Core section 3.1.2.1, and create of Initiating
// User Registration via OpenID Connect 1.0 if people may sign up).
func (s *Server) promptValues() []string {
	values := []string{"none", "login", "consent", "select_account"}
	if s.offersSignUp() {
		values = append(values, "create")
	}
	return values
}
