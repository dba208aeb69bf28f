// Package bearergrpc protects the methods of a gRPC server with the access tokens that package bearer verifies. It is
// a package apart, so that APIs without gRPC do not depend on it.
//
//	call -> rule of the method: none? PermissionDenied
//	          |  metadata authorization: Bearer, once, else Unauthenticated
//	          |  Verifier.VerifyFrom, with the certificate of the connection
//	          |  scopes and roles of the rule, else PermissionDenied
//	          v
//	        handler: bearer.FromContext(ctx) is the caller
//	          |
//	          a stream ends with its token: Unauthenticated at exp, or when the revocation feed ends the token
//
// While the issuer is not available the status is Unavailable, so that the client keeps a good token.
package bearergrpc

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/authzd/authzd/authz/bearer"
)

// Config says who may call which method.
type Config struct {
	// Verifier verifies the tokens. Required.
	Verifier *bearer.Verifier

	// Methods has a rule for each method by its full name, /package.Service/Method, or for all methods of a
	// service, /package.Service/. A method without a rule can't be called.
	Methods map[string]Rule
}

// Rule is what a method demands of its caller. The zero Rule demands a valid token.
type Rule struct {
	Anonymous bool     // no token is needed, and none is looked at: for health checks
	Scopes    []string // the token must have all of them
	Roles     []string // the user must have one of them; none: no role is needed
}

// Interceptor protects a server:
//
//	grpc.NewServer(grpc.UnaryInterceptor(i.Unary), grpc.StreamInterceptor(i.Stream))
type Interceptor struct {
	verifier *bearer.Verifier
	methods  map[string]Rule
}

// New checks the configuration.
func New(cfg Config) (*Interceptor, error) {
	var errs []error
	if cfg.Verifier == nil {
		errs = append(errs, errors.New("a Verifier is required"))
	}
	for name, rule := range cfg.Methods {
		if !strings.HasPrefix(name, "/") || strings.Count(name, "/") != 2 {
			errs = append(errs, fmt.Errorf("the method %q must be /package.Service/Method, or /package.Service/ for all of a service", name))
		}
		if rule.Anonymous && len(rule.Scopes)+len(rule.Roles) > 0 {
			errs = append(errs, fmt.Errorf("the rule of %q is Anonymous, and demands scopes or roles", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bearergrpc: %w", err)
	}
	return &Interceptor{cfg.Verifier, cfg.Methods}, nil
}

// rule returns the rule of a method; that of the method itself comes before that of its service.
func (i *Interceptor) rule(method string) (Rule, bool) {
	if rule, ok := i.methods[method]; ok {
		return rule, true
	}
	rule, ok := i.methods[method[:strings.LastIndexByte(method, '/')+1]]
	return rule, ok
}

// Unary is a grpc.UnaryServerInterceptor.
func (i *Interceptor) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, _, err := i.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

// admit returns the context for the handler, and the caller; nil: anybody.
func (i *Interceptor) admit(ctx context.Context, method string) (context.Context, *bearer.Principal, error) {
	rule, ok := i.rule(method)
	switch {
	case !ok:
		return nil, nil, status.Error(codes.PermissionDenied, "nobody may call this method: it has no rule")
	case rule.Anonymous:
		return ctx, nil, nil
	}
	token, err := presented(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err := i.verifier.VerifyFrom(ctx, token, certificate(ctx))
	switch {
	case err != nil:
		return nil, nil, refusal(err)
	case slices.ContainsFunc(rule.Scopes, func(s string) bool { return !p.HasScope(s) }):
		return nil, nil, status.Error(codes.PermissionDenied, "the token lacks a scope that this needs")
	case len(rule.Roles) > 0 && !slices.ContainsFunc(rule.Roles, p.HasRole):
		return nil, nil, status.Error(codes.PermissionDenied, "the user lacks a role that this needs")
	}
	return i.verifier.NewContext(ctx, p), p, nil
}

// presented returns the token of a call: its metadata has authorization once, with the scheme Bearer.
func presented(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("authorization")
	switch len(values) {
	case 0:
		return "", status.Error(codes.Unauthenticated, "an access token is needed: send it in the metadata authorization")
	case 1:
		scheme, token, _ := strings.Cut(values[0], " ")
		if token = strings.TrimLeft(token, " "); strings.EqualFold(scheme, "Bearer") && token != "" {
			return token, nil
		}
		return "", status.Error(codes.Unauthenticated, "the metadata authorization must be: Bearer and a token")
	}
	return "", status.Error(codes.Unauthenticated, "more than one authorization in the metadata")
}

// certificate returns the one that the client has shown in the handshake, or nil.
func certificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// refusal returns the status for an error of the verifier. Only the reason of a *bearer.TokenError is for the caller.
func refusal(err error) error {
	if invalid := (*bearer.TokenError)(nil); errors.As(err, &invalid) {
		return status.Error(codes.Unauthenticated, invalid.Error())
	}
	return status.Error(codes.Unavailable, "the token can't be verified now, try again later")
}
