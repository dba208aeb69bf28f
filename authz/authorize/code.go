package authorize

import (
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// CodeMemory is how long a code is remembered after it expired, to notice that it is used again.
const CodeMemory = 10 * time.Minute

// NewCode returns a new authorization code (RFC 6749 section 4.1.2), and the write that stores its record.
func (reqs *Requests) NewCode(a *Request, granted storage.Authorization) (string, storage.Write) {
	code, expires := oauth.NewToken(oauth.PrefixCode), a.Now.Add(reqs.codeLifetime(a.Client))
	return code, storage.Codes.Put(oauth.HashToken(code), &storage.Code{
		Authorization: granted,
		GrantID:       oauth.NewID(),
		RedirectURI:   a.Params.Get("redirect_uri"),
		CodeChallenge: a.Params.Get("code_challenge"),
		Nonce:         a.Params.Get("nonce"),
		DPoPJKT:       a.Params.Get("dpop_jkt"),
		CreatedAt:     a.Now,
		ExpiresAt:     expires,
	}, storage.Absent, expires.Add(CodeMemory))
}

// codeLifetime returns the server's lifetime of codes, 60 seconds at most for a client with a security profile
// (FAPI 2.0 Security Profile section 5.3.2.1).
func (reqs *Requests) codeLifetime(c *client.Client) time.Duration {
	if c.Profile != "" {
		return min(reqs.CodeLifetime, time.Minute)
	}
	return reqs.CodeLifetime
}
