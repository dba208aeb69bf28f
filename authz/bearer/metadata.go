package bearer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/weburl"
)

// Metadata is what an API publishes about itself, so that a client that knows only the API's URL finds out
// where to get a token and for what (RFC 9728 section 2).
type Metadata struct {
	Resource             string   // resource: the API's identifier, an https URL. Default: Config.Audience
	AuthorizationServers []string // authorization_servers. Default: Config.Issuer and Config.Issuers
	Scopes               []string // scopes_supported: those that a client may request
	DetailTypes          []string // authorization_details_types_supported (RFC 9396)
	Name                 string   // resource_name: for people
	DocumentationURI     string   // resource_documentation
	PolicyURI            string   // resource_policy_uri
	TOSURI               string   // resource_tos_uri
	CertificateBound     bool     // tls_client_certificate_bound_access_tokens: the API sees its clients' certificates
}

const wellKnown = "/.well-known/oauth-protected-resource"

// publication is a metadata document and its location.
type publication struct {
	url, path string
	document  []byte
}

// newPublication returns nil if there is nothing to publish.
func newPublication(cfg *Config) (*publication, error) {
	if cfg.Metadata == nil {
		return nil, nil
	}
	m := *cfg.Metadata
	if m.Resource == "" {
		m.Resource = cfg.Audience
	}
	if len(m.AuthorizationServers) == 0 {
		for _, is := range cfg.issuers() {
			m.AuthorizationServers = append(m.AuthorizationServers, is.Issuer)
		}
	}
	u, err := url.Parse(m.Resource) // section 1.2
	if err != nil || !weburl.IsSecure(u) || u.User != nil || strings.ContainsAny(m.Resource, "?#") {
		return nil, fmt.Errorf("the Resource %q of the Metadata must be an https URL (or http on a loopback host) without userinfo, query and fragment", m.Resource)
	}
	if u.EscapedPath() != u.Path || strings.ContainsAny(u.Path, "{}") { // the mux would read them otherwise
		return nil, errors.New("the path of the Metadata's Resource must not need escapes")
	}
	document, err := json.Marshal(m.document(cfg.DPoP.Required))
	if err != nil {
		return nil, fmt.Errorf("encode the Metadata: %w", err)
	}
	path := wellKnown + strings.TrimSuffix(u.Path, "/") // section 3.1: between host and path
	return &publication{url: u.Scheme + "://" + u.Host + path, path: path, document: document}, nil
}

func (m *Metadata) document(dpopRequired bool) any {
	return struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		Scopes               []string `json:"scopes_supported,omitempty"`
		Methods              []string `json:"bearer_methods_supported"`
		Name                 string   `json:"resource_name,omitempty"`
		DocumentationURI     string   `json:"resource_documentation,omitempty"`
		PolicyURI            string   `json:"resource_policy_uri,omitempty"`
		TOSURI               string   `json:"resource_tos_uri,omitempty"`
		CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
		DetailTypes          []string `json:"authorization_details_types_supported,omitempty"`
		ProofAlgorithms      []string `json:"dpop_signing_alg_values_supported"`
		ProofsRequired       bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{
		m.Resource, m.AuthorizationServers, m.Scopes, []string{"header"}, m.Name, m.DocumentationURI, m.PolicyURI,
		m.TOSURI, m.CertificateBound, m.DetailTypes, dpop.Algorithms(), dpopRequired,
	}
}

// Metadata returns the pattern and the handler of the API's metadata (RFC 9728 section 3). Every challenge
// then points there:
//
//	mux.Handle(v.Metadata())
//
// Anybody may read it, also from pages of any origin. It panics if Config.Metadata is nil.
func (v *Verifier) Metadata() (pattern string, handler http.Handler) {
	if v.metadata == nil {
		panic("bearer: there is no Metadata in the Config")
	}
	return v.metadata.path, v.metadata
}

func (m *publication) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(m.document) // the client may have gone
	case http.MethodOptions: // a preflight, because of headers like MCP-Protocol-Version
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
