// Package bff is cookie mode: a backend for frontend (RFC 10017 section 6.1). The browser has a cookie and no token;
// this package signs users in, keeps their tokens, and gives each call to an API the token that the API needs.
//
// Config describes the frontends and their provider. Its Problems are all that is wrong with it.
package bff
