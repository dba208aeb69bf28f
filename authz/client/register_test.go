package client

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/member"
)

// TestRegisteredMembers: a client may say these of itself and nothing else. A member that gets the tag register has to
// be added here, too.
func TestRegisteredMembers(t *testing.T) {
	want := strings.Fields(`client_name redirect_uris post_logout_redirect_uris scope grant_types response_types token_endpoint_auth_method
		token_endpoint_auth_signing_alg jwks jwks_uri tls_client_auth_subject_dn tls_client_auth_san_dns tls_client_auth_san_uri
		tls_client_auth_san_ip tls_client_auth_san_email tls_client_certificate_bound_access_tokens dpop_bound_access_tokens
		require_pushed_authorization_requests require_signed_request_object request_object_signing_alg request_uris
		authorization_signed_response_alg require_pkce id_token_signed_response_alg userinfo_signed_response_alg
		introspection_signed_response_alg require_auth_time default_max_age default_acr_values subject_type sector_identifier_uri
		authorization_details_types initiate_login_uri backchannel_logout_uri backchannel_logout_session_required
		frontchannel_logout_uri frontchannel_logout_session_required client_uri logo_uri policy_uri tos_uri`)
	var got []string
	samples := map[reflect.Kind]string{reflect.String: `"RS256"`, reflect.Bool: `true`, reflect.Int: `1`, reflect.Int64: `"1m"`, reflect.Slice: `["a"]`}
	for f := range reflect.TypeFor[Metadata]().Fields() {
		name := member.Name(f)
		if name == "" {
			name = f.Name
		}
		kind := f.Type.Kind()
		if kind == reflect.Pointer {
			kind = f.Type.Elem().Kind()
		}
		sample := samples[kind]
		switch name {
		case "scope":
			sample = `"a"`
		case "jwks":
			sample = `{}`
		}
		info, err := ParseRegistration([]byte(`{"` + name + `":` + sample + `}`))
		if sample == "" || err != nil {
			info, err = ParseRegistration([]byte(`{"` + name + `":"x"}`))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(info.Metadata, Metadata{}) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("a registration sets\n%q, want\n%q", got, want)
	}
	info, err := ParseRegistration([]byte(`{"-":"x","Source":1,"first_party":true,"preset":"service","id":"x","client_id":"x"}`))
	if err != nil || !reflect.DeepEqual(info.Metadata, Metadata{}) {
		t.Errorf("%+v, %v", info, err)
	}
}
