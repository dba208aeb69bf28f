package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrClientRefused says that an upstream does not know the client, or that its secret is wrong.
var ErrClientRefused = errors.New("it refuses the client")

// Probe asks the upstream of cfg in the same way as a sign-in: for its metadata and its keys, and with a
// made-up code, whether it knows the client and its secret. If it does, it refuses the code. If not, it
// refuses the client (RFC 6749 section 5.2), and the error is ErrClientRefused.
func Probe(ctx context.Context, cfg Config) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	o := newOpenID(cfg)
	m, err := o.metadata.Get(ctx)
	if err != nil {
		return err
	}
	if _, err := o.keys.Get(ctx); err != nil {
		return err
	}
	client, err := o.oauth2Client(m)
	if err != nil {
		return err
	}
	_, err = client.Exchange(oidc.ClientContext(ctx, o.client), "probe", oauth2.VerifierOption(oauth2.GenerateVerifier()))
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case err == nil:
		return errors.New("token endpoint: it issues tokens for a code that it never issued")
	case !ok:
		return fmt.Errorf("token endpoint: %w", err)
	}
	switch code := codeOf(refused); {
	case code == "invalid_client" || code == "unauthorized_client":
		return fmt.Errorf("%w: %s", ErrClientRefused, code)
	case !errorCode.MatchString(code):
		return fmt.Errorf("token endpoint: status %d, no error code", refused.Response.StatusCode)
	}
	return nil
}

// codeOf returns the error code of a refusal. It also reads JSON with another content type.
func codeOf(refused *oauth2.RetrieveError) string {
	if refused.ErrorCode != "" {
		return refused.ErrorCode
	}
	var body struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(refused.Body, &body) // anything else has no code
	return body.Error
}
