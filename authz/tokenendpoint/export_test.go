package tokenendpoint

import (
	"context"
	"net/url"
	"slices"
	"testing"
)

// AddGrant adds a line to the table of grant types for the time of a test. The grant gives each client the scopes that
// redeem returns.
func AddGrant(t *testing.T, name string, redeem func(form url.Values) (scopes []string, err error)) {
	before := grants
	t.Cleanup(func() { grants = before })
	grants = append(slices.Clone(grants), grantType{name: name, redeem: func(_ *Endpoint, _ context.Context, x *exchange, form url.Values) (err error) {
		x.Scopes, err = redeem(form)
		return err
	}})
}
