package main

import (
	"reflect"
	"testing"

	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/config"
)

// TestFactorPolicy: what the configuration demands is what the server demands.
func TestFactorPolicy(t *testing.T) {
	const connectors = "\nconnectors: [{id: corp, type: google, client_id: x, client_secret: y, factors: passkey, trust_amr: true}, {id: shop, type: google, client_id: x, client_secret: y}]"
	for accounts, want := range map[string]factor.Policy{
		"": {Everybody: factor.One, Roles: map[string]factor.Level{}},
		"accounts: {factors: required, factors_of_roles: {admin: passkey}}": {Everybody: factor.Two, Roles: map[string]factor.Level{"admin": factor.PhishingResistant}},
		"accounts: {factors: passkey}":                                      {Everybody: factor.PhishingResistant, Roles: map[string]factor.Level{}},
	} {
		cfg, err := config.Parse("f", []byte("issuer: https://id.example.com\n"+accounts+connectors), nil)
		if err != nil {
			t.Fatal(err)
		}
		want.Connectors = map[string]factor.Level{"corp": factor.PhishingResistant, "shop": factor.One}
		want.Trusted = map[string]bool{"corp": true, "shop": false}
		if got := newFactorPolicy(cfg); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", accounts, got, want)
		}
	}
}
