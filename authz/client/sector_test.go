package client

import "testing"

// OpenID Connect Core section 8.1.
func TestSector(t *testing.T) {
	const own = "client me"
	for name, row := range map[string]struct {
		m    Metadata
		want string
	}{
		"one host":               {Metadata{RedirectURIs: []string{"https://app.example.com/a", "https://APP.example.com:8443/b"}}, "app.example.com"},
		"sector identifier":      {Metadata{RedirectURIs: []string{"https://a.example/", "https://b.example/"}, SectorURI: "https://Sector.example/uris.json"}, "sector.example"},
		"several hosts":          {Metadata{RedirectURIs: []string{"https://a.example/", "https://b.example/"}}, own},
		"no redirect URI":        {Metadata{}, own},
		"private-use scheme":     {Metadata{RedirectURIs: []string{"com.example.app:/callback"}}, own},
		"scheme with a host":     {Metadata{RedirectURIs: []string{"https://a.example/", "com.example.app:/callback"}}, own},
		"loopback address":       {Metadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}, own},
		"localhost":              {Metadata{RedirectURIs: []string{"http://localhost:4200/callback"}}, own},
		"a host and loopback":    {Metadata{RedirectURIs: []string{"https://a.example/", "http://127.0.0.1/"}}, own},
		"registered":             {Metadata{Source: Registered, RedirectURIs: []string{"https://a.example/"}}, "a.example"},
		"registered device":      {Metadata{Source: Registered, RedirectURIs: []string{"https://a.example/"}, GrantTypes: []string{GrantDeviceCode}}, own},
		"registered, told there": {Metadata{Source: Registered, RedirectURIs: []string{"https://a.example/"}, BackChannelURI: "https://A.example:8443/logout"}, "a.example"},
		"told elsewhere":         {Metadata{Source: Registered, RedirectURIs: []string{"https://a.example/"}, BackChannelURI: "https://evil.example/logout"}, own},
		"sector, told elsewhere": {Metadata{Source: Registered, RedirectURIs: []string{"https://a.example/"}, SectorURI: "https://a.example/", BackChannelURI: "https://evil.example/logout"}, own},
		"told by a native app":   {Metadata{Source: Document, RedirectURIs: []string{"com.example.app:/"}, SectorURI: "https://a.example/", BackChannelURI: "https://a.example/logout"}, own},
		"configured, elsewhere":  {Metadata{RedirectURIs: []string{"https://a.example/"}, BackChannelURI: "https://b.example/logout"}, "a.example"},
		"device with a sector":   {Metadata{Source: Document, SectorURI: "https://a.example/", GrantTypes: []string{GrantDeviceCode}}, own},
		"configured device":      {Metadata{SectorURI: "https://a.example/", GrantTypes: []string{GrantDeviceCode}}, "a.example"},
		"id like another's host": {Metadata{ID: "a.example"}, "client a.example"},
		"sector on a port":       {Metadata{SectorURI: "https://a.example:8443/"}, "a.example"},
		"two ports of one host":  {Metadata{RedirectURIs: []string{"https://a.example:1/", "https://a.example:2/"}}, "a.example"},
		"look-alike host":        {Metadata{RedirectURIs: []string{"https://a.example/", "https://a.example.evil.example/"}}, own},
	} {
		if row.m.ID == "" {
			row.m.ID = "me"
		}
		if got := (&Client{Metadata: row.m}).Sector(); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}
