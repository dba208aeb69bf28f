package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// call makes one request within the limits and gives the answer to read.
func (c *Client) call(ctx context.Context, method, rawURL string, form url.Values, want Want, read func(*http.Response) error) error {
	u, err := c.parse(rawURL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	leave, err := c.limiter.enter(ctx, siteOf(u.Hostname()))
	if err != nil {
		return fmt.Errorf("call %s: %w", u.Host, err)
	}
	defer leave()
	req, err := newRequest(ctx, method, u, form, want)
	if err != nil {
		return fmt.Errorf("call %s: %w", u.Host, err)
	}
	client := c.secure
	if u.Scheme == "http" {
		client = c.plain
	}
	resp, err := client.Do(req)
	if unresolved := new(net.DNSError); errors.As(err, &unresolved) && unresolved.IsNotFound {
		err = ErrHost
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", u.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	if err := read(resp); err != nil {
		return fmt.Errorf("call %s: %w", u.Host, err)
	}
	return nil
}

func newRequest(ctx context.Context, method string, u *url.URL, form url.Values, want Want) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("User-Agent", userAgent)
	accept := "*/*"
	if len(want.Types) > 0 {
		accept = strings.Join(want.Types, ", ")
	}
	req.Header.Set("Accept", accept)
	for name, value := range want.Header {
		req.Header.Set(name, value)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, nil
}

// withoutURL removes the wrapping that quotes the whole URL, because its query may be a secret.
func withoutURL(err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// readDocument reads no more than is wanted, and nothing compressed: no compression was requested, and a
// small answer could become a large one.
func readDocument(resp *http.Response, want Want) (*Document, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w %d", ErrStatus, resp.StatusCode)
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if len(want.Types) > 0 && (err != nil || !slices.Contains(want.Types, mediaType)) {
		return nil, fmt.Errorf("%w, wanted %s", ErrType, strings.Join(want.Types, " or "))
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, fmt.Errorf("%w: it is encoded", ErrType)
	}
	limit := want.MaxBytes
	if limit <= 0 {
		limit = usualBytes
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return &Document{Body: body, ContentType: mediaType, Fresh: freshness.Of(resp.Header)}, nil
}
