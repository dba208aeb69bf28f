package config

import (
	"reflect"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

// authz/client says what a client is and what can be wrong with it. This file says where it stands in authzd.yaml.

// description is a client of the file, as its rules look at it.
func (l *loader) description(i int) *client.Description {
	path := element("clients", i)
	return &client.Description{
		Metadata: &l.cfg.Clients[i],
		Given:    func(name string) bool { return l.given(child(path, name)) },
		Broken:   func(of string) bool { return l.broken(child(path, of)) },
	}
}

// broken reports whether there is an error with a path, with what contains it or with what it contains, or with the
// file that it is read from.
func (d *document) broken(path string) bool {
	for _, e := range d.errs {
		if e.Key != "" && (member.Within(path, e.Key) || member.Within(e.Key, path) || e.Key == path+"_file") {
			return true
		}
	}
	return false
}

// clientServer is what the configuration says that clients depend on.
func (l *loader) clientServer() *client.Server {
	s := l.cfg.ClientServer()
	s.Authorities = s.Authorities || l.given("mtls.ca_file")
	s.ShortSecrets = l.dev
	if l.faulty("signing.alg") {
		s.SigningAlg = "RS256" // the mistake is one of the server's, and not of all its clients
	}
	return s
}

// ClientServer is what the configuration says that clients depend on: their defaults, and what they may refer to.
func (c *Config) ClientServer() *client.Server {
	t := c.Lifetimes
	s := &client.Server{
		SigningAlg: c.Signing.Alg, Certificates: c.MTLS.On(), Authorities: c.MTLS.CAFile != "",
		Lifetimes: client.Lifetimes{
			AccessToken: t.AccessToken, IDToken: t.IDToken, Code: t.Code, PAR: t.PAR,
			RefreshToken: t.RefreshToken, RefreshIdle: t.RefreshIdle, RefreshGrace: t.RefreshGrace,
		},
	}
	for _, r := range c.Resources {
		resource := client.Resource{URI: r.Resource, Scopes: r.Scopes, Alg: r.Alg}
		if r.TokenType == "opaque" {
			resource.Alg = ""
		}
		for _, d := range r.AuthorizationDetailsTypes {
			resource.DetailTypes = append(resource.DetailTypes, d.Type)
		}
		s.Resources = append(s.Resources, resource)
	}
	return s
}

func (l *loader) checkClients() {
	l.checkRequired(reflect.ValueOf(l.cfg.Clients), "clients")
	server := l.clientServer()
	for i := range l.cfg.Clients {
		path := element("clients", i)
		l.checkRequired(reflect.ValueOf(l.cfg.Clients[i].Secrets), path+".client_secrets")
		l.reportAll(path, l.description(i).Problems(server))
	}
}

// reportAll reports what is wrong with what stands at a path.
func (d *document) reportAll(path string, problems member.Problems) {
	for _, p := range problems {
		d.report(child(path, p.Path), p.Value, p.Flaw)
	}
}
