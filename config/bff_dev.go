package config

import (
	_ "embed"
	"strings"
	"text/template"
)

//go:embed bff.dev.yaml
var bffDevYAML string

var bffDevTemplate = template.Must(template.New("bff.dev.yaml").Parse(bffDevYAML))

// DevBFF is the configuration of a BFF beside the server of "serve --dev": it serves the playground in cookie mode at
// an address of this machine, from the folder "app" in dataDir.
func DevBFF(server *Config, dataDir, address string) (*BFF, error) {
	var text strings.Builder
	err := bffDevTemplate.Execute(&text, struct{ Issuer, DataDir, Address string }{server.Issuer, dataDir, address})
	if err != nil {
		return nil, err
	}
	return ParseBFF("bff.dev.yaml", []byte(text.String()), nil)
}
