// openid-client as an application with users: the authorization code flow, userinfo, refresh,
// and for a confidential client introspection; then revocation.
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, RESOURCE, openInBrowser } from './party.mjs'

const authentication = {
  spa: client.None(),
  web: client.ClientSecretBasic(CLIENT_SECRET),
  'web-post': client.ClientSecretPost(CLIENT_SECRET),
}[CLIENT_ID]
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, authentication, {
  execute: [client.allowInsecureRequests],
})
assert.ok(config.serverMetadata().supportsPKCE())

const checks = {
  pkceCodeVerifier: client.randomPKCECodeVerifier(),
  expectedState: client.randomState(),
  expectedNonce: client.randomNonce(),
  idTokenExpected: true,
}
const callback = await openInBrowser(client.buildAuthorizationUrl(config, {
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile email offline_access orders.read',
  resource: RESOURCE,
  code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: checks.expectedState,
  nonce: checks.expectedNonce,
}))

const tokens = await client.authorizationCodeGrant(config, callback, checks)
const { sub } = tokens.claims()
assert.ok(tokens.refresh_token)

const user = await client.fetchUserInfo(config, tokens.access_token, sub)
assert.equal(user.email, 'alice@example.com')
assert.equal(user.name, 'Alice Liddell')

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
assert.notEqual(refreshed.access_token, tokens.access_token)
assert.equal(refreshed.claims().sub, sub)
const newest = refreshed.refresh_token ?? tokens.refresh_token
assert.equal(newest !== tokens.refresh_token, CLIENT_ID === 'spa', 'only a public client rotates')

if (CLIENT_SECRET) {
  const answer = await client.tokenIntrospection(config, refreshed.access_token)
  assert.equal(answer.active, true)
  assert.equal(answer.sub, sub)
}

await client.tokenRevocation(config, newest)
await assert.rejects(client.refreshTokenGrant(config, newest), { error: 'invalid_grant', status: 400 })
if (CLIENT_SECRET) {
  const answer = await client.tokenIntrospection(config, refreshed.access_token)
  assert.deepEqual(answer, { active: false })
}
