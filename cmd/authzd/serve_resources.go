package main

import (
	"maps"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/templates"
)

// newResource describes an API.
func newResource(r *config.Resource) resource.Resource {
	api := resource.Resource{
		URI: r.Resource, Name: r.Name, Scopes: r.Scopes, TokenType: r.TokenType, Alg: jose.SignatureAlgorithm(r.Alg),
		Descriptions: templates.Texts(r.ScopeDescriptions), Changing: r.ChangingScopes,
	}
	for i := range r.AuthorizationDetailsTypes {
		api.DetailTypes = append(api.DetailTypes, newDetailType(&r.AuthorizationDetailsTypes[i]))
	}
	return api
}

func newDetailType(t *config.DetailType) resource.DetailType {
	d := resource.DetailType{
		Type: t.Type, Name: t.Name, Fields: t.Fields, Required: t.Required,
		Headline: headline(t.Headline), Labels: templates.Texts(t.Labels),
	}
	if p := t.Payment; p.Amount != "" {
		d.Payment = &resource.PaymentMembers{Amount: p.Amount, Currency: p.Currency, Payee: p.Payee}
	}
	return d
}

// headline returns a text by language, of which English is for the languages that have none.
func headline(texts map[string]string) templates.Text {
	all := templates.Text(maps.Clone(texts))
	if english, ok := texts["en"]; ok {
		all[""] = english
	}
	return all
}
