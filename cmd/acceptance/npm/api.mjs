// jose as an API that knows the issuer's key set and nothing else.
import './party.mjs'
import assert from 'node:assert/strict'
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT, UnsecuredJWT } from 'jose'
import { ISSUER, RESOURCE } from './party.mjs'

const { ACCESS_TOKEN, ID_TOKEN } = process.env
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
const verify = (token) => jwtVerify(token, keys, { issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt' })

const { payload } = await verify(ACCESS_TOKEN)
assert.equal(payload.client_id, 'spa')
assert.equal(payload.scope.split(' ').includes('orders.read'), true)
assert.deepEqual(payload.roles, ['admin'])
for (const claim of ['sub', 'jti', 'iat', 'exp']) assert.ok(payload[claim], claim)

// An ID token is no credential for an API: neither its type nor its audience fits.
await assert.rejects(verify(ID_TOKEN), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' })
await assert.rejects(jwtVerify(ID_TOKEN, keys, { audience: RESOURCE }), { claim: 'aud' })
await assert.rejects(jwtVerify(ID_TOKEN, keys, { typ: 'at+jwt' }), { claim: 'typ' })

// Changed in each of its parts, without a signature, or signed with the public key as a secret.
const parts = ACCESS_TOKEN.split('.')
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const middle = Math.floor(parts[2].length / 2)
const flipped = parts[2][middle] === 'A' ? 'B' : 'A'
const publicKey = new TextEncoder().encode(JSON.stringify((await (await fetch(metadata.jwks_uri)).json()).keys[0]))
const forged = {
  payload: [parts[0], encode({ ...payload, roles: ['owner'] }), parts[2]].join('.'),
  signature: [parts[0], parts[1], parts[2].slice(0, middle) + flipped + parts[2].slice(middle + 1)].join('.'),
  none: new UnsecuredJWT(decodeJwt(ACCESS_TOKEN)).encode(),
  hs256: await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).sign(publicKey),
}
for (const [how, token] of Object.entries(forged)) {
  await assert.rejects(verify(token), how)

  const response = await fetch(metadata.userinfo_endpoint, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(response.status, 401, `authzd itself takes a forged token: ${how}`)
}
