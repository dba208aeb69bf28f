package config

// Keeping is what a command needs of a configuration to look after its store, whether that is of a server or of a BFF. The
// members are those of Config.
type Keeping struct {
	Issuer     string
	Admin      Admin
	Storage    Storage
	SecretFile PathList
	KMS        KMS
	Outbound   Outbound
	Log        Log
}

// Keeping returns that part of the configuration of a server.
func (c *Config) Keeping() *Keeping {
	return &Keeping{c.Issuer, c.Admin, c.Storage, c.SecretFile, c.KMS, c.Outbound, c.Log}
}

// Keeping returns that part of the configuration of a BFF.
func (c *BFF) Keeping() *Keeping {
	return &Keeping{c.Issuer, Admin{Socket: c.Admin.Socket, Listen: c.Admin.Listen}, c.Storage.Engine(), c.SecretFile, c.KMS, Outbound{CAFile: c.Outbound.CAFile}, c.Log}
}
