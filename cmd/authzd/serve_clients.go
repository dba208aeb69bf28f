package main

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/config"
)

// newMetadata turns an entry of the configuration into the server's.
func newMetadata(e config.Client) client.Metadata {
	m := client.Metadata{
		ID:                     e.ClientID,
		Name:                   e.ClientName,
		Secret:                 string(e.ClientSecret),
		RedirectURIs:           e.RedirectURIs,
		PostLogoutRedirectURIs: e.PostLogoutRedirectURIs,
		RedirectSchemes:        e.RedirectSchemes,
		GrantTypes:             e.GrantTypes,
		AuthMethod:             e.TokenEndpointAuthMethod,
		AnySecretMethod:        e.AnySecretMethod(),
		Scopes:                 e.Scope,
		Resources:              e.Resources,
		AllowedOrigins:         e.AllowedOrigins,
		FirstParty:             e.FirstParty,
		RequirePKCE:            e.RequirePKCE != nil && *e.RequirePKCE,
		PKCEOrNonce:            e.RequirePKCE == nil,
		AllowLocalhostPorts:    e.AllowLocalhostPorts,
		IDTokenAlg:             e.IDTokenSignedResponseAlg,
		IDTokenClaims:          e.IDTokenClaims,
		RotateRefreshTokens:    e.RefreshTokenRotation,
		RequireAuthTime:        e.RequireAuthTime,
		AccessTokenLifetime:    e.AccessTokenLifetime,
		IDTokenLifetime:        e.IDTokenLifetime,
		RefreshTokenLifetime:   e.RefreshTokenLifetime,
		RefreshIdleLifetime:    e.RefreshIdleLifetime,
		RefreshGrace:           &e.RefreshGrace,
		ClientURI:              e.ClientURI,
		LogoURI:                e.LogoURI,
		PolicyURI:              e.PolicyURI,
		TOSURI:                 e.TOSURI,

		Profile: e.SecurityProfile,
		JWKS:    json.RawMessage(e.JWKS),
		JWKSURI: e.JWKSURI,
		AuthAlg: e.TokenEndpointAuthSigningAlg,
		TLSSubject: client.TLSSubject{
			DN: e.TLSClientAuthSubjectDN, DNS: e.TLSClientAuthSANDNS, URI: e.TLSClientAuthSANURI,
			IP: e.TLSClientAuthSANIP, Email: e.TLSClientAuthSANEmail,
		},
		TLSBound:          e.TLSClientCertificateBoundAccessTokens,
		DPoPBound:         e.DPoPBoundAccessTokens,
		RequirePAR:        e.RequirePushedAuthorizationRequests,
		RequireSigned:     e.RequireSignedRequestObject,
		RequestAlg:        e.RequestObjectSigningAlg,
		RequestURIs:       e.RequestURIs,
		AuthorizationAlg:  e.AuthorizationSignedResponseAlg,
		UserInfoAlg:       e.UserInfoSignedResponseAlg,
		IntrospectionAlg:  e.IntrospectionSignedResponseAlg,
		SubjectType:       e.SubjectType,
		SectorURI:         e.SectorIdentifierURI,
		DefaultACRValues:  e.DefaultACRValues,
		DetailTypes:       e.AuthorizationDetailsTypes,
		ExchangeResources: e.TokenExchangeResources,
		InitiateLoginURI:  e.InitiateLoginURI,
		Logout: client.Logout{
			BackChannelURI: e.BackchannelLogoutURI, BackChannelSession: e.BackchannelLogoutSessionRequired,
			FrontChannelURI: e.FrontchannelLogoutURI,
		},
	}
	if e.DefaultMaxAge != nil {
		age := time.Duration(*e.DefaultMaxAge) * time.Second
		m.DefaultMaxAge = &age
	}
	for _, s := range e.ClientSecrets {
		secret := client.Secret{Value: string(s.Secret)}
		if s.ExpiresAt != nil {
			secret.ExpiresAt = *s.ExpiresAt
		}
		m.Secrets = append(m.Secrets, secret)
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
