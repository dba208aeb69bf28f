package authz

import (
	"github.com/authzd/authzd/authz/client"
)

// settingOf names a line of the configuration, and the client in whose entry it stands. It returns "" for a
// Get that is not the operator's, and for one with a security profile, which leaves no choice.
func settingOf(c *client.Client, line string) string {
	if c.Source != client.Configured || c.Profile != "" {
		return ""
	}
	return line + " in the client " + c.ID
}
