// openid-client as a backend without users: client credentials, introspection, revocation.
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ISSUER, CLIENT_ID, CLIENT_SECRET, RESOURCE } from './party.mjs'

const discover = (secret) =>
  client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(secret), {
    execute: [client.allowInsecureRequests],
  })
const config = await discover(CLIENT_SECRET)

const tokens = await client.clientCredentialsGrant(config, { scope: 'orders.write', resource: RESOURCE })
assert.equal(tokens.scope ?? 'orders.write', 'orders.write')
assert.equal(tokens.refresh_token, undefined)
assert.equal(tokens.id_token, undefined)

const before = await client.tokenIntrospection(config, tokens.access_token)
assert.equal(before.active, true)
assert.equal(before.client_id, CLIENT_ID)
await client.tokenRevocation(config, tokens.access_token)
assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false })

const refusals = [
  [config, { scope: 'openid' }, 'invalid_scope'],
  [config, { scope: 'orders.delete' }, 'invalid_scope'],
  [config, { resource: 'https://other.example.com' }, 'invalid_target'],
]
for (const [who, parameters, error] of refusals) {
  await assert.rejects(client.clientCredentialsGrant(who, parameters), { error }, error)
}
const impostor = await discover(`${CLIENT_SECRET}x`)
await assert.rejects(client.clientCredentialsGrant(impostor), (err) => {
  assert.equal(err.status, 401) // openid-client reports the WWW-Authenticate challenge of a 401
  return true
})
