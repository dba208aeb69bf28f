package main

import (
	"log/slog"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/config"
)

// newMetadata turns an entry of the configuration into the server's.
func newMetadata(e config.Client) client.Metadata {
	m := client.Metadata{
		ID: e.ClientID, Name: e.ClientName, Preset: e.Preset, Profile: e.SecurityProfile, Secret: e.ClientSecret,
		RedirectURIs: e.RedirectURIs, PostLogoutRedirectURIs: e.PostLogoutRedirectURIs, RedirectSchemes: e.RedirectSchemes,
		GrantTypes: e.GrantTypes, ResponseTypes: e.ResponseTypes, AuthMethod: e.TokenEndpointAuthMethod, AnySecretMethod: e.AnySecretMethod(),
		Scopes: e.Scope, Resources: e.Resources, AllowedOrigins: e.AllowedOrigins, FirstParty: e.FirstParty,
		RequirePKCE: e.RequirePKCE, AllowLocalhostPorts: e.AllowLocalhostPorts, RotateRefreshTokens: &e.RefreshTokenRotation,
		IDTokenAlg: e.IDTokenSignedResponseAlg, IDTokenClaims: e.IDTokenClaims, RequireAuthTime: e.RequireAuthTime,
		AccessTokenLifetime: member.Duration(e.AccessTokenLifetime), IDTokenLifetime: member.Duration(e.IDTokenLifetime),
		RefreshTokenLifetime: member.Duration(e.RefreshTokenLifetime), RefreshIdleLifetime: member.Duration(e.RefreshIdleLifetime),
		RefreshGrace: new(member.Duration(e.RefreshGrace)), DefaultMaxAge: e.DefaultMaxAge,
		ClientURI: e.ClientURI, LogoURI: e.LogoURI, PolicyURI: e.PolicyURI, TOSURI: e.TOSURI,
		JWKS: client.JWKS(e.JWKS), JWKSURI: e.JWKSURI, AuthAlg: e.TokenEndpointAuthSigningAlg,
		TLSSubjectDN: e.TLSClientAuthSubjectDN, TLSSubjectDNS: e.TLSClientAuthSANDNS, TLSSubjectURI: e.TLSClientAuthSANURI,
		TLSSubjectIP: e.TLSClientAuthSANIP, TLSSubjectEmail: e.TLSClientAuthSANEmail,
		TLSBound: e.TLSClientCertificateBoundAccessTokens, DPoPBound: e.DPoPBoundAccessTokens,
		RequirePAR: e.RequirePushedAuthorizationRequests, RequireSigned: e.RequireSignedRequestObject,
		RequestAlg: e.RequestObjectSigningAlg, RequestURIs: e.RequestURIs, AuthorizationAlg: e.AuthorizationSignedResponseAlg,
		UserInfoAlg: e.UserInfoSignedResponseAlg, IntrospectionAlg: e.IntrospectionSignedResponseAlg,
		SubjectType: e.SubjectType, SectorURI: e.SectorIdentifierURI, DefaultACRValues: e.DefaultACRValues,
		DetailTypes: e.AuthorizationDetailsTypes, ExchangeResources: e.TokenExchangeResources, InitiateLoginURI: e.InitiateLoginURI,
		BackChannelURI: e.BackchannelLogoutURI, BackChannelSession: e.BackchannelLogoutSessionRequired,
		FrontChannelURI: e.FrontchannelLogoutURI, FrontChannelSession: e.FrontchannelLogoutSessionRequired,
	}
	for _, s := range e.ClientSecrets {
		m.Secrets = append(m.Secrets, client.Secret{Value: s.Secret, ExpiresAt: s.ExpiresAt})
	}
	return m
}

// warnOfExpired tells of client secrets that don't work any more.
func warnOfExpired(logger *slog.Logger, entries []config.Client) {
	for _, e := range entries {
		for i, s := range e.ClientSecrets {
			if s.ExpiresAt != nil && time.Now().After(*s.ExpiresAt) {
				logger.Warn("a client secret has expired: remove it from the configuration", "client", e.ClientID, "client_secrets", i, "expires_at", *s.ExpiresAt)
			}
		}
	}
}
