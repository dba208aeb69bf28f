package main

import (
	"net"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/config"
)

// newOperator lets the admin API accept what the configuration file accepts.
func newOperator(cfg *config.Config) *operator.Config {
	o := &operator.Config{Server: cfg.ClientServer(), Clients: map[string]client.Metadata{}}
	for _, c := range cfg.Clients {
		o.Clients[c.ID] = c
	}
	if cfg.Admin.Listen != "" {
		o.Resource = cfg.AdminResource()
		if host, _, err := net.SplitHostPort(cfg.Admin.Listen); err == nil {
			o.Hosts = []string{host}
		}
	}
	return o
}
