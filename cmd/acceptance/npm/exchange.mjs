// openid-client as a backend that calls the next one on behalf of its user (RFC 8693).
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { decodeJwt } from 'jose'
import { ISSUER, CLIENT_ID, CLIENT_SECRET, RESOURCE } from './party.mjs'

const { ACCESS_TOKEN, NEXT_RESOURCE } = process.env
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(CLIENT_SECRET), {
  execute: [client.allowInsecureRequests],
})
const exchange = (parameters) => client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
  subject_token: ACCESS_TOKEN,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  ...parameters,
})

const tokens = await exchange({ resource: NEXT_RESOURCE })
assert.equal(tokens.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token')
const before = decodeJwt(ACCESS_TOKEN)
const claims = decodeJwt(tokens.access_token)
assert.equal(claims.sub, before.sub)
assert.deepEqual([claims.aud].flat(), [NEXT_RESOURCE])
assert.deepEqual(claims.act, { sub: CLIENT_ID, client_id: CLIENT_ID })
assert.ok(claims.exp <= before.exp)

await assert.rejects(exchange({ resource: 'https://other.example.com' }), { error: 'invalid_target' })
await assert.rejects(exchange({ resource: NEXT_RESOURCE, scope: 'orders.delete' }), { error: 'invalid_scope' })
await assert.rejects(exchange({ subject_token: `${ACCESS_TOKEN}x` }), { error: 'invalid_request' })
