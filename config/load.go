package config

// Load reads the file, applies the AUTHZD_ variables of environ (as from os.Environ) and returns
// the effective configuration. An empty path means that there is no file. What is wrong with the
// configuration is returned as Errors, all at once.
func Load(path string, environ []string) (*Config, error) {
	panic("being written")
}

// LoadDev is Load for serve --dev: it starts from a demo set-up with everything below dataDir, and
// whatever the file and the environment say wins. Entries of lists are merged by identifier.
func LoadDev(path, dataDir string, environ []string) (*Config, error) {
	panic("being written")
}
