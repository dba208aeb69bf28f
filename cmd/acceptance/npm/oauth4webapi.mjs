// oauth4webapi as a FAPI 2.0 client of a server that demands DPoP nonces: every step by hand, so
// that each answer is checked as its specification says.
import './party.mjs'
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { importJWK } from 'jose'
import { ISSUER, CLIENT_ID, REDIRECT_URI, RESOURCE, openInBrowser } from './party.mjs'

const jwk = JSON.parse(process.env.PRIVATE_JWK)
const key = { key: await importJWK(jwk, jwk.alg), kid: jwk.kid }
const insecure = { [oauth.allowInsecureRequests]: true }

const issuer = new URL(ISSUER)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }))
assert.ok(as.dpop_signing_alg_values_supported.includes('ES256'))
assert.ok(as.token_endpoint_auth_methods_supported.includes('private_key_jwt'))
assert.equal(as.authorization_response_iss_parameter_supported, true)

const client = { client_id: CLIENT_ID }
const authenticate = oauth.PrivateKeyJwt(key)
const keyPair = await oauth.generateKeyPair('ES256')
const DPoP = oauth.DPoP(client, keyPair)

// withNonce tries once more if the server asks for its nonce, which the handle has learnt by then.
async function withNonce(attempt) {
  try {
    return await attempt()
  } catch (err) {
    assert.ok(oauth.isDPoPNonceError(err), err)
    return attempt()
  }
}

const verifier = oauth.generateRandomCodeVerifier()
const request = {
  client_id: CLIENT_ID,
  response_type: 'code',
  redirect_uri: REDIRECT_URI,
  scope: 'orders.read offline_access',
  resource: RESOURCE,
  state: oauth.generateRandomState(),
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
}
const pushed = await withNonce(async () => oauth.processPushedAuthorizationResponse(as, client,
  await oauth.pushedAuthorizationRequest(as, client, authenticate, request, { DPoP, ...insecure })))
const url = new URL(as.authorization_endpoint)
url.search = new URLSearchParams({ client_id: CLIENT_ID, request_uri: pushed.request_uri })
const parameters = oauth.validateAuthResponse(as, client, await openInBrowser(url), request.state)

const tokens = await withNonce(async () => oauth.processAuthorizationCodeResponse(as, client,
  await oauth.authorizationCodeGrantRequest(as, client, authenticate, parameters, REDIRECT_URI, verifier, { DPoP, ...insecure })))
assert.equal(tokens.token_type, 'dpop')

const refreshed = await withNonce(async () => oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, authenticate, tokens.refresh_token, { DPoP, ...insecure })))
assert.notEqual(refreshed.access_token, tokens.access_token)

// As a resource server, the client reads what the token is bound to, from a signed answer.
const reader = { ...client, introspection_signed_response_alg: 'ES256' }
const response = await oauth.introspectionRequest(as, reader, authenticate, refreshed.access_token, { requestJwtResponse: true, ...insecure })
const answer = await oauth.processIntrospectionResponse(as, reader, response)
await oauth.validateApplicationLevelSignature(as, response, insecure)
assert.equal(answer.active, true)
assert.equal(answer.cnf.jkt, await DPoP.calculateThumbprint())
