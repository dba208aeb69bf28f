// openid-client signs a user in and out again (OpenID Connect RP-Initiated Logout 1.0).
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ISSUER, CLIENT_ID, REDIRECT_URI, openInBrowser } from './party.mjs'

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), { execute: [client.allowInsecureRequests] })

async function signIn(prompt) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const callback = await openInBrowser(client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...prompt,
  }))
  return client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, idTokenExpected: true })
}

const tokens = await signIn({})
const silent = await signIn({ prompt: 'none', id_token_hint: tokens.id_token })
assert.equal(silent.claims().sub, tokens.claims().sub)
assert.equal(silent.claims().sid, tokens.claims().sid)

const back = await openInBrowser(client.buildEndSessionUrl(config, {
  id_token_hint: silent.id_token,
  post_logout_redirect_uri: process.env.POST_LOGOUT_REDIRECT_URI,
  state: 'where the app was',
}))
assert.equal(back.searchParams.get('state'), 'where the app was')
await assert.rejects(signIn({ prompt: 'none' }), { error: 'login_required' })
await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' })
