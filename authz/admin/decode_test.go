package admin

import (
	"errors"
	"testing"

	"github.com/authzd/authzd/authz/client"
)

// TestHiddenMembers: the fields of a description that are no member of a request cannot be set, and an operator names
// no files of the server's.
func TestHiddenMembers(t *testing.T) {
	for body, v := range map[string]any{
		`{"-":"x"}`:                            new(NewUser),
		`{"Password":"x"}`:                     new(NewUser),
		`{"password_file":"/etc/passwd"}`:      new(NewUser),
		`{"client_secret":"x"}`:                new(client.Metadata),
		`{"client_secrets":[{"secret":"x"}]}`:  new(client.Metadata),
		`{"client_secret_file":"/etc/passwd"}`: new(client.Metadata),
		`{"Source":1}`:                         new(client.Metadata),
		`{"AnySecretMethod":true}`:             new(client.Metadata),
		`{"-":true}`:                           new(client.Metadata),
		`{"since":"2026-01-01T00:00:00Z"}`:     new(client.Metadata),
		`{"require_jarm":true,"vouched":true}`: new(client.Metadata),
	} {
		problem := new(Problem)
		if err := decode([]byte(body), v); !errors.As(err, &problem) || problem.Status != 422 {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestDurations: what is wrong with a time is said in the words of the configuration.
func TestDurations(t *testing.T) {
	for value, want := range map[string]FieldError{
		`"60"`: {Detail: "not a duration", Hint: "a unit is missing: 60s for seconds, 60m for minutes"},
		`"1d"`: {Detail: "not a duration", Hint: "days are written in hours: 24h"},
		`60`:   {Detail: "must be a string"},
		`"0s"`: {Detail: "must be at least 1s", Hint: "remove it, and the server's default holds"},
	} {
		problem := new(Problem)
		err := decode([]byte(`{"access_token_lifetime":`+value+`}`), new(client.Metadata))
		want.Pointer = "/access_token_lifetime"
		if !errors.As(err, &problem) || len(problem.Errors) != 1 || problem.Errors[0] != want {
			t.Errorf("%s: %v", value, err)
		}
	}
	var m client.Metadata
	if err := decode([]byte(`{"access_token_lifetime":"90s","refresh_grace":"0s"}`), &m); err != nil || m.AccessTokenLifetime.String() != "1m30s" || m.RefreshGrace == nil || *m.RefreshGrace != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}
