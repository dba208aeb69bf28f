// openid-client as a FAPI 2.0 client: private_key_jwt, PAR, PKCE and DPoP; with SIGNED set, also what
// Message Signing adds: a signed request (JAR), a signed response (JARM) and signed introspection.
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { importJWK } from 'jose'
import { ISSUER, CLIENT_ID, REDIRECT_URI, RESOURCE, openInBrowser } from './party.mjs'

const { PRIVATE_JWK, SIGNED } = process.env
const jwk = JSON.parse(PRIVATE_JWK)
const key = { key: await importJWK(jwk, jwk.alg), kid: jwk.kid }

const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  {
    id_token_signed_response_alg: 'ES256',
    use_mtls_endpoint_aliases: false,
    ...(SIGNED && { authorization_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' }),
  },
  client.PrivateKeyJwt(key),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...(SIGNED ? [client.useJwtResponseMode] : [])] },
)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
let request = new URLSearchParams({
  redirect_uri: REDIRECT_URI,
  scope: 'openid profile offline_access orders.read',
  resource: RESOURCE,
  code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: checks.expectedState,
  nonce: checks.expectedNonce,
})
if (SIGNED) {
  request = (await client.buildAuthorizationUrlWithJAR(config, request, key)).searchParams
}
const url = await client.buildAuthorizationUrlWithPAR(config, request, { DPoP })
assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])
const callback = await openInBrowser(url)
if (SIGNED) {
  assert.deepEqual([...callback.searchParams.keys()], ['response'])
}

// Another key, or none, does not redeem the code, and does not spoil it either.
const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
for (const options of [undefined, { DPoP: thief }]) {
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks, {}, options), client.ResponseBodyError)
}
const tokens = await client.authorizationCodeGrant(config, callback, checks, {}, { DPoP })
assert.equal(tokens.token_type, 'dpop') // openid-client writes it in lower case
const { sub } = tokens.claims()

const user = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })
assert.equal(user.name, 'Alice Liddell')
await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub), 'a bound token without its proof')
await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: thief }), 'with the proof of another key')

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
assert.equal(refreshed.claims().sub, sub)
await client.fetchUserInfo(config, refreshed.access_token, sub, { DPoP })

const answer = await client.tokenIntrospection(config, refreshed.access_token)
assert.equal(answer.active, true)
assert.equal(answer.token_type, 'DPoP')
assert.ok(answer.cnf.jkt)

await client.tokenRevocation(config, refreshed.refresh_token ?? tokens.refresh_token)
assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false)
