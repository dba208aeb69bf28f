package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxExamined bounds how much of an answer is read.
const maxExamined = 1 << 20 // bytes

// ask sends a request with these headers, each a name and a value, and reads the answer.
func (e *examination) ask(ctx context.Context, method, target string, header ...string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExamined))
	return response, body, err
}

// checkIssuer reads the discovery document like a client (OpenID Connect Discovery section 4): without a
// redirect, and with exactly this issuer in it. It returns false if nothing else can be checked.
func (e *examination) checkIssuer(ctx context.Context) bool {
	const check = "issuer"
	response, body, err := e.ask(ctx, http.MethodGet, e.issuer+"/.well-known/openid-configuration")
	if err != nil {
		e.unreachable(err)
		return false
	}
	e.answered, e.latest = response, time.Now()
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode/100 == 3:
		e.add(check, "failed", "the discovery document redirects to "+response.Header.Get("Location"), "clients do not follow: let issuer be the URL that answers, or the proxy pass it on")
	case response.StatusCode != http.StatusOK:
		e.add(check, "failed", "the discovery document answers "+response.Status, "does the proxy pass everything below the issuer on, with its path?")
	case mediaType != "application/json" || json.Unmarshal(body, &e.server) != nil:
		e.add(check, "failed", "something else answers in place of the discovery document", "does the proxy lead to authzd?")
	case e.server.Issuer != e.issuer:
		e.add(check, "failed", fmt.Sprintf("the server that answers calls itself %q", e.server.Issuer), "issuer must be the same everywhere, without a slash at its end: correct it, and restart the server")
	default:
		e.add(check, "ok", e.issuer+" answers, and names itself so", "")
		e.checkPaths(ctx)
		return true
	}
	return false
}

// unreachable explains why nobody answered.
func (e *examination) unreachable(err error) {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &certificate):
		e.add("tls", "failed", certificate.Err.Error(), "clients refuse it too: serve the whole chain of a certificate for this host, and renew it in time")
	case errors.As(err, new(tls.RecordHeaderError)):
		e.add("tls", "failed", "what answers does not speak TLS", "set tls.cert_file and tls.key_file, or let the proxy serve https")
	case errors.As(err, &name):
		e.add("issuer", "failed", name.Error(), "give the name an address in the DNS, or correct issuer")
	case errors.Is(err, syscall.ECONNREFUSED):
		e.add("issuer", "failed", "nothing listens there: "+err.Error(), "is the server running, and does the proxy, or listen, have this port?")
	case errors.As(err, &timeout) && timeout.Timeout():
		e.add("issuer", "failed", "no answer in "+examinationTime.String(), "is there a firewall in between?")
	default:
		e.add("issuer", "failed", err.Error(), "")
	}
}

// checkPaths looks for the document at the place of RFC 8414 section 3.1, which is outside of the issuer's
// path.
func (e *examination) checkPaths(ctx context.Context) {
	u, err := url.Parse(e.issuer)
	if err != nil || u.Path == "" {
		return
	}
	target := u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + u.Path
	if response, _, err := e.ask(ctx, http.MethodGet, target); err != nil || response.StatusCode != http.StatusOK {
		e.add("issuer", "warning", target+" does not answer", "some clients look there: let the proxy pass /.well-known/ on, too")
	}
}

// certificateWarning is how long before its end a certificate should have been renewed.
const certificateWarning = 14 * 24 * time.Hour

func (e *examination) checkTLS() {
	const check = "tls"
	state := e.answered.TLS
	if state == nil { // only on loopback: the server refuses any other issuer without it
		e.add(check, "skipped", "plain http, on this machine", "")
		return
	}
	left := time.Until(state.PeerCertificates[0].NotAfter)
	detail := fmt.Sprintf("%s, the certificate is valid until %s", tls.VersionName(state.Version), when(state.PeerCertificates[0].NotAfter))
	if left < certificateWarning {
		e.add(check, "warning", detail, "renew it: the server reads the new files without a restart")
		return
	}
	e.add(check, "ok", detail, "")
}

// How much the clocks may differ: what the server tolerates, and what some clients do.
const (
	clockWell = 5 * time.Second
	clockBad  = time.Minute
)

func (e *examination) checkClock() {
	const check, hint = "clock", "keep both by NTP"
	date, err := http.ParseTime(e.answered.Header.Get("Date"))
	if err != nil {
		e.add(check, "skipped", "the answer has no Date", "")
		return
	}
	ahead := date.Sub(e.latest.Truncate(time.Second))
	detail := fmt.Sprintf("the server's is %s from this machine's", ahead.Abs())
	switch {
	case ahead.Abs() <= clockWell:
		e.add(check, "ok", detail, "")
	case ahead.Abs() <= clockBad:
		e.add(check, "warning", detail, hint)
	default:
		e.add(check, "failed", detail+": clients would refuse its tokens", hint)
	}
}

// privateMembers are of private and symmetric keys (RFC 7518 section 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// checkKeys reads the JWK Set like an API.
func (e *examination) checkKeys(ctx context.Context) {
	const check = "jwks"
	response, body, err := e.ask(ctx, http.MethodGet, e.server.JWKSURI)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New("it answers " + response.Status)
	}
	if err != nil {
		e.add(check, "failed", e.server.JWKSURI+": "+err.Error(), "no API can check a token: does the proxy pass it on?")
		return
	}
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(body, &set) != nil || len(set.Keys) == 0 {
		e.add(check, "failed", "there are no keys", "does the proxy pass it on unchanged?")
		return
	}
	var algs []string
	for _, key := range set.Keys {
		if slices.ContainsFunc(privateMembers, func(name string) bool { return key[name] != nil }) {
			e.add(check, "failed", "a private key is published", "take the server off the network: another program answers, or has replaced it")
			return
		}
		alg, _ := key["alg"].(string)
		algs = append(algs, alg)
	}
	for _, alg := range e.server.IDTokenAlgs {
		if !slices.Contains(algs, alg) {
			e.add(check, "failed", "there is no key for "+alg, "is an old answer cached on the way? the server may be asked again after Cache-Control's max-age")
			return
		}
	}
	detail := fmt.Sprintf("%d keys: %s", len(set.Keys), strings.Join(algs, " "))
	if !strings.Contains(response.Header.Get("Cache-Control"), "max-age=") {
		e.add(check, "warning", detail+", without Cache-Control", "a proxy takes it away: APIs may keep the keys for too long")
		return
	}
	e.add(check, "ok", detail, "")
}
