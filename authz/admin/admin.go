// Package admin is the operator's access: the types of the admin API, a client for it in Go, and the handler
// that serves it.
//
//	Client ──> admin socket (0600), or admin.listen with a bearer token
//	              │
//	           Handler: route ─> who is it? ─> decode ─> Call ─> encode         handler.go, decode.go
//	              │                                        │
//	           openapi.json, from the same table           package operator
//
// The API speaks JSON with the words of the configuration file: members of clients have the names of RFC 7591
// and OpenID Connect Registration, those of users the names of the standard claims. Errors are problem
// details (RFC 9457). A record has an etag, which changes with every change (RFC 9110 section 8.8.3). The
// package knows no storage: the routes bring their operations.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Scope is the scope that an access token needs to administer a server.
const Scope = "authzd:admin"

// Client calls the admin API of a running server. Don't change its fields once it is in use. Its methods are
// safe for concurrent use. A method's error is a *Problem if the server answered.
type Client struct {
	// Socket is the path of the server's admin socket. Empty: URL is used.
	Socket string

	// URL is the URL of admin.listen, such as https://id.example.com:9011.
	URL string
	// Token is an access token with the scope authzd:admin, for URL.
	Token string

	// Transport makes the requests to URL; nil: http.DefaultTransport.
	Transport http.RoundTripper

	once   sync.Once
	client *http.Client
}

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 16 << 20 // bytes

// do sends a request and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, header http.Header, in, out any) error {
	answer, err := c.Do(ctx, method, path, query, header, in)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// Do sends a request with a JSON body (none if in is nil) and returns the answer if it is a success. The
// caller closes its body. Use it for operations without a method, and for those whose answers are streams.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, header http.Header, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	target := c.base() + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	answer, err := c.httpClient().Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		return nil, readProblem(answer)
	}
	return answer, nil
}

func (c *Client) base() string {
	if c.Socket != "" {
		return "http://localhost"
	}
	return strings.TrimSuffix(c.URL, "/")
}

func (c *Client) httpClient() *http.Client {
	c.once.Do(func() {
		c.client = &http.Client{
			Transport: c.Transport,
			// A redirect would carry the token, or the operator's command, to another place.
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the admin API does not redirect") },
		}
		if c.Socket != "" {
			dialer := &net.Dialer{Timeout: 10 * time.Second}
			c.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", c.Socket)
			}}
		}
	})
	return c.client
}

// readProblem returns the error of an answer that is not a success.
func readProblem(answer *http.Response) error {
	problem := &Problem{}
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil || mediaType != problemType || json.Unmarshal(body, problem) != nil {
		problem = &Problem{Title: answer.Status, Code: "unexpected_answer", Detail: "The answer is not from an admin API."}
	}
	problem.Status = answer.StatusCode
	return problem
}

// ifMatch is the header that makes a request succeed only while the record has this etag.
func ifMatch(etag string) http.Header {
	if etag == "" {
		return nil
	}
	return http.Header{"If-Match": {etag}}
}

// segment escapes a value as one segment of a path.
func segment(s string) string { return "/" + url.PathEscape(s) }
