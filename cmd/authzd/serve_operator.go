package main

import (
	"errors"
	"net"
	"strings"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/config"
)

// newOperator lets the admin API take what the configuration file takes.
func newOperator(cfg *config.Config) *operator.Config {
	o := &operator.Config{
		ParseClient: func(document []byte) (client.Metadata, error) {
			entry, err := cfg.ParseClient(document)
			if err != nil {
				return client.Metadata{}, asInvalid(err)
			}
			return newMetadata(*entry), nil
		},
		Clients: map[string]client.Metadata{},
	}
	for _, entry := range cfg.Clients {
		o.Clients[entry.ClientID] = newMetadata(entry)
	}
	if cfg.Admin.Listen != "" {
		o.Resource = cfg.AdminResource()
		if host, _, err := net.SplitHostPort(cfg.Admin.Listen); err == nil {
			o.Hosts = []string{host}
		}
	}
	return o
}

// asInvalid is what is wrong with an entry of the configuration, as the API says it.
func asInvalid(err error) error {
	var errs config.Errors
	if !errors.As(err, &errs) {
		return err
	}
	var fields []admin.FieldError
	for _, e := range errs {
		fields = append(fields, admin.FieldError{Pointer: pointer(e.Key), Detail: e.Reason, Hint: e.Hint})
	}
	return admin.Invalid(fields...)
}

// pointer turns a key such as clients[0].redirect_uris[1] into /redirect_uris/1 (RFC 6901).
func pointer(key string) string {
	_, member, _ := strings.Cut(key, "]")
	return strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(member)
}
