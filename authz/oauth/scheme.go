package oauth

// The schemes that an access token is used with (RFC 6749 section 7.1).
const (
	SchemeBearer = "Bearer" // RFC 6750
	SchemeDPoP   = "DPoP"   // RFC 9449 section 7.1
)
