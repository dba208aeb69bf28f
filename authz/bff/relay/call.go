package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// maxRepeated is how long a body may be that is sent again after a 401 (bytes). Longer ones, and those of unknown
// length, are streamed and sent once.
const maxRepeated = 64 << 10

// exchange is one request on its way to an API.
type exchange struct {
	route   *route
	session *websession.Session // nil: there is none, or it is of no use
	url     *url.URL            // of the API
	ctx     context.Context     // ends the call
	cancel  context.CancelFunc

	token  string // that was sent last; empty: none
	body   []byte // that can be sent again, if kept
	kept   bool
	socket *socket // a WebSocket's; nil: it is none
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// RouteNames are the names that the events and metrics of requests have: for those that go to an API, and for those to
// the app's files.
var RouteNames = []string{RouteAPI, RouteApp}

// name gives the event of a request its route. The path in it is the operator's, not the client's.
func name(r *http.Request, rt *route) {
	e := observe.Event(r.Context())
	e.SetRoute(RouteAPI)
	e.Add("api", rt.prefix)
}

// call sends a request that the guard has passed to the API.
func (p *Relay) call(w http.ResponseWriter, r *http.Request, rt *route, raw string) error {
	session, err := p.sessionOf(r, rt)
	if err != nil {
		return err
	}
	x, err := p.newExchange(r, rt, session, raw, r.URL.RawQuery)
	if err != nil {
		return err
	}
	defer x.cancel()
	if err := x.keepBody(r); err != nil {
		return err
	}
	steady, end := p.steady(w, r, x)
	defer end()
	p.sending[rt].proxy.ServeHTTP(steady, r.WithContext(x.ctx))
	return nil
}

// sessionOf returns the session that a route needs, or nil if it needs none.
func (p *Relay) sessionOf(r *http.Request, rt *route) (*websession.Session, error) {
	if !rt.wantsUser() {
		return nil, nil
	}
	session, err := p.config.Sessions.Find(r)
	switch {
	case errors.Is(err, websession.ErrNone) && rt.Token == TokenUserOrClient:
		return nil, nil
	case err != nil:
		return nil, err
	}
	known(r, session)
	return session, nil
}

// known gives the event of a request its user.
func known(r *http.Request, session *websession.Session) {
	e := observe.Event(r.Context())
	e.SetSubject(session.Subject)
	e.SetClient(session.ClientID)
}

func (p *Relay) newExchange(r *http.Request, rt *route, session *websession.Session, raw, query string) (*exchange, error) {
	u, err := rt.upstream(raw, query)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the path has an escape that is none")
	}
	x := &exchange{route: rt, session: session, url: u}
	if x.token, err = p.token(r.Context(), x, ""); err != nil {
		return nil, err
	}
	x.ctx, x.cancel = context.WithCancel(r.Context())
	x.ctx = context.WithValue(x.ctx, exchangeKey{}, x)
	return x, nil
}

// keepBody reads a short body, so that it can be sent again.
func (x *exchange) keepBody(r *http.Request) error {
	if r.ContentLength < 0 || r.ContentLength > maxRepeated {
		return nil
	}
	var err error
	if x.body, err = io.ReadAll(r.Body); err != nil {
		f := refuse(http.StatusBadRequest, "invalid_request", "the body of the request ended too soon")
		f.cause = err
		return f
	}
	x.kept = true
	r.Body = io.NopCloser(bytes.NewReader(x.body))
	return nil
}

// token returns a token for the API. refused is one that the API has just refused.
func (p *Relay) token(ctx context.Context, x *exchange, refused string) (string, error) {
	switch {
	case x.route.Token == TokenNone:
		return "", nil
	case x.session != nil:
		return p.config.Sessions.AccessToken(ctx, x.session, x.route.Resource, refused)
	}
	return p.clientToken(ctx, x.route.Resource, refused)
}

// sender sends the requests of one route. It has its own connections: an API that hangs takes none from another.
type sender struct {
	relay  *Relay
	plain  *http.Transport
	socket *http.Transport // HTTP/1.1, which WebSockets need
	proxy  *httputil.ReverseProxy
}

func (p *Relay) newSender(rt *route) *sender {
	s := &sender{relay: p}
	s.plain = p.newTransport(rt)
	s.plain.ForceAttemptHTTP2 = true
	s.socket = p.newTransport(rt)
	s.socket.DisableKeepAlives = true // each connection becomes a socket's own
	s.proxy = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      s,
		ModifyResponse: p.modify,
		ErrorHandler:   p.failed,
		BufferPool:     buffers,
		ErrorLog:       quietLog,
	}
	return s
}

func (p *Relay) newTransport(rt *route) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: rt.ConnectTimeout.Or(usualConnectTimeout)}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: p.config.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    rt.ConnectTimeout.Or(usualConnectTimeout),
		ResponseHeaderTimeout:  rt.AnswerTimeout.Or(usualAnswerTimeout),
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    1024, // as many as there may be calls at once; fewer are dialled again and again
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // the browser and the API agree on it
	}
}

// rewrite makes the request that the API gets.
func (p *Relay) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	p.cleanRequest(pr.In, pr.Out.Header, x.route.Cookies)
	pr.Out.URL = x.url
	pr.Out.Host = ""
	if x.token != "" {
		pr.Out.Header.Set("Authorization", "Bearer "+x.token)
	}
	if x.kept {
		pr.Out.Header.Del("Expect") // the body is here already
	}
	if x.socket != nil {
		x.socket.prepare(pr.Out.Header)
	}
}

// RoundTrip sends a request, and sends it again with a new token if the API did not take the old one.
func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	r = r.WithContext(x.ctx) // without the trace of ReverseProxy, which would pass on 103 as the API sends it
	answer, err := s.send(x, r)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || x.token == "" || isStepUp(answer.Header) {
		return answer, err
	}
	token, err := s.relay.token(x.ctx, x, x.token)
	if err == nil && (token == x.token || !x.kept) {
		return answer, nil // a body that was streamed is gone: the page decides
	}
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	x.token = token
	r.Header.Set("Authorization", "Bearer "+token)
	return s.send(x, r)
}

func (s *sender) send(x *exchange, r *http.Request) (*http.Response, error) {
	if x.kept && r.Body != nil { // the transport may still read from the last one
		r.Body = io.NopCloser(bytes.NewReader(x.body))
	}
	if x.socket != nil {
		return s.socket.RoundTrip(r)
	}
	return s.plain.RoundTrip(r)
}

// modify makes the answer that the browser gets.
func (p *Relay) modify(answer *http.Response) error {
	x := exchangeOf(answer.Request.Context())
	if f := p.stepUp(answer); f != nil {
		return f
	}
	p.cleanAnswer(answer.Header, x.route.Cookies)
	if x.session != nil {
		p.config.Sessions.Keep(answer.Header, x.session)
	}
	switch {
	case answer.StatusCode == http.StatusSwitchingProtocols:
		if x.socket == nil {
			return &refusal{status: http.StatusBadGateway, code: "bad_gateway", description: "the API speaks another protocol"}
		}
		return x.socket.opened(answer)
	case isEventStream(answer.Header):
		p.watchStream(x)
	}
	p.cleanAnswer(answer.Trailer, nil)
	answer.Body = &trailedBody{answer.Body, func() { p.cleanAnswer(answer.Trailer, nil) }}
	return nil
}

// trailedBody is the body of an answer whose trailers come with its end.
type trailedBody struct {
	io.ReadCloser
	atEnd func()
}

func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.atEnd()
	}
	return n, err
}

func isEventStream(h http.Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream")
}

// watchStream ends a stream of events with the session: the browser comes again, and gets 401.
func (p *Relay) watchStream(x *exchange) {
	var ended <-chan struct{}
	stop := func() {}
	if x.session != nil {
		ended, stop = p.config.Sessions.Ended(x.session)
	}
	go func() {
		defer stop()
		select {
		case <-ended:
		case <-p.closing:
		case <-x.ctx.Done():
		}
		x.cancel()
	}()
}

// failed answers if the API did not.
func (p *Relay) failed(w http.ResponseWriter, r *http.Request, err error) {
	var known *refusal
	var timeout net.Error
	switch {
	case errors.As(err, &known), errors.Is(err, websession.ErrNone), errors.Is(err, websession.ErrEnded), errors.As(err, new(*websession.UnavailableError)):
		answer(w, r, err)
	case r.Context().Err() != nil: // the client has gone
		observe.Event(r.Context()).SetOutcome("aborted")
		panic(http.ErrAbortHandler)
	case errors.As(err, &timeout) && timeout.Timeout():
		answer(w, r, &refusal{status: http.StatusGatewayTimeout, code: "gateway_timeout", description: "the API did not answer in time", cause: err})
	default:
		answer(w, r, &refusal{status: http.StatusBadGateway, code: "bad_gateway", description: "the API can't be reached", cause: err})
	}
}
