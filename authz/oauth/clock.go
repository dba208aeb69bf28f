package oauth

import "time"

// ClockSkew is how far the clocks of clients and APIs may differ from ours. A signing key stays published that
// much longer than the tokens that it signed, and a JWT of a client may be that much too early.
const ClockSkew = 5 * time.Minute
