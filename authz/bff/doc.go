// Package bff is cookie mode: a backend for frontend (RFC 10017 section 6.1). The browser has a cookie and no token;
// this package signs users in, keeps their tokens, and gives each call to an API the token that the API needs.
//
//	browser ─> ServeHTTP: which frontend (host, path) ─┬─ /bff/* ─> routes.go: every path with its guard
//	                                                   └─ else ──> relay: the APIs, and the app's own files
//
//	/bff/login ─> provider ─> /bff/callback ─> session        /bff/session, /bff/activity ─> the page knows when it ends
//	/bff/logout, /bff/backchannel, a dead refresh token ─> the session ends, its tokens are revoked
//
// A handler returns an error, and answer is the one exit for it: a page for a person, JSON for a program. No answer has
// a header of CORS. Config describes the frontends and their provider. Its Problems are all that is wrong with it.
package bff
