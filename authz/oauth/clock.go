package oauth

import "time"

// ClockSkew is how far the clocks of verifiers may be behind: a signing key stays published that much longer
// than the tokens that it signed.
const ClockSkew = 5 * time.Minute
