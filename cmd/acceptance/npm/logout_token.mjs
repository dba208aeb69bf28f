// jose as an application that gets a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6).
import './party.mjs'
import assert from 'node:assert/strict'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { ISSUER, CLIENT_ID } from './party.mjs'

const { LOGOUT_TOKEN, ID_TOKEN } = process.env
const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()
assert.equal(metadata.backchannel_logout_supported, true)
assert.equal(metadata.backchannel_logout_session_supported, true)

const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
const { payload } = await jwtVerify(LOGOUT_TOKEN, keys, {
  issuer: ISSUER,
  audience: CLIENT_ID,
  typ: 'logout+jwt',
  maxTokenAge: '2m',
  requiredClaims: ['sub', 'sid', 'jti', 'iat', 'exp', 'events'],
})
const signedIn = decodeJwt(ID_TOKEN)
assert.equal(payload.sub, signedIn.sub)
assert.equal(payload.sid, signedIn.sid)
assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
assert.equal('nonce' in payload, false)

// Neither passes for the other.
await assert.rejects(jwtVerify(ID_TOKEN, keys, { typ: 'logout+jwt' }), { claim: 'typ' })
await assert.rejects(jwtVerify(LOGOUT_TOKEN, keys, { typ: 'JWT' }), { claim: 'typ' })
