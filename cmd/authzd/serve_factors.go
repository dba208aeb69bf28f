package main

import (
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/config"
)

// newFactorPolicy says of whom a second factor is demanded.
func newFactorPolicy(cfg *config.Config) factor.Policy {
	p := factor.Policy{
		Everybody: factor.Demanded(cfg.Accounts.Factors),
		Roles:     map[string]factor.Level{}, Connectors: map[string]factor.Level{}, Trusted: map[string]bool{},
	}
	for role, demand := range cfg.Accounts.FactorsOfRoles {
		p.Roles[role] = factor.Demanded(demand)
	}
	for _, c := range cfg.Connectors {
		p.Connectors[c.ID], p.Trusted[c.ID] = factor.Demanded(c.Factors), c.TrustAMR
	}
	return p
}

func newClasses(classes []config.ACRClass) (found []authorize.Class) {
	levels := map[string]factor.Level{"one_factor": factor.One, "two_factors": factor.Two, "passkey": factor.PhishingResistant}
	for _, c := range classes {
		found = append(found, authorize.Class{Name: c.Name, Level: levels[c.Needs]})
	}
	return found
}
