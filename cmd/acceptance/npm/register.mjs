// openid-client as an application that registers itself (RFC 7591), signs a user in, and takes its
// registration back (RFC 7592).
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ISSUER, REDIRECT_URI, openInBrowser } from './party.mjs'

const execute = [client.allowInsecureRequests]
const config = await client.dynamicClientRegistration(new URL(ISSUER), {
  client_name: 'Newcomer', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'],
}, client.ClientSecretBasic(), { execute })
const registered = config.clientMetadata()
assert.ok(registered.client_secret)

const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedNonce: client.randomNonce(), idTokenExpected: true }
const callback = await openInBrowser(client.buildAuthorizationUrl(config, {
  redirect_uri: REDIRECT_URI, scope: 'openid profile offline_access', nonce: checks.expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256',
}))
const tokens = await client.authorizationCodeGrant(config, callback, checks)
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
assert.equal(user.name, 'Alice Liddell')

const manage = (method, body) => fetch(registered.registration_client_uri, {
  method, body: body && JSON.stringify(body),
  headers: { authorization: `Bearer ${registered.registration_access_token}`, 'content-type': 'application/json' },
})
const read = await (await manage('GET')).json()
assert.equal(read.client_secret, registered.client_secret)
const updated = await (await manage('PUT', { client_id: read.client_id, client_name: 'Renamed', redirect_uris: [REDIRECT_URI], grant_types: read.grant_types })).json()
assert.equal(updated.client_name, 'Renamed')
await client.refreshTokenGrant(config, tokens.refresh_token)

assert.equal((await manage('DELETE')).status, 204)
await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { status: 401 })
