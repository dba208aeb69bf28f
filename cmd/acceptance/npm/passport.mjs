// passport-oauth2 as a web application has it: with its own defaults, which are no PKCE and the secret in the
// body, or with what the recipe recommends. The request is one that express would make.
import './party.mjs'
import assert from 'node:assert/strict'
import OAuth2Strategy from 'passport-oauth2'
import { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, openInBrowser } from './party.mjs'

const pkce = process.env.PKCE === '1'
const strategy = new OAuth2Strategy({
  authorizationURL: `${ISSUER}/authorize`,
  tokenURL: `${ISSUER}/token`,
  clientID: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  callbackURL: REDIRECT_URI,
  scope: ['openid', 'email'],
  state: pkce,
  pkce,
}, (accessToken, refreshToken, params, profile, done) => done(null, { accessToken, ...params }))

const session = {}
const authenticate = (query) => new Promise((resolve, reject) => {
  const attempt = Object.create(strategy)
  attempt.redirect = (url) => resolve({ url })
  attempt.success = (user) => resolve({ user })
  attempt.fail = (challenge) => resolve({ refused: challenge })
  attempt.error = reject
  attempt.authenticate({ query, body: {}, session, headers: {}, connection: {} })
})

const { url } = await authenticate({})
assert.equal(new URL(url).searchParams.has('code_challenge'), pkce)
const callback = await openInBrowser(url)
const { user } = await authenticate(Object.fromEntries(callback.searchParams))
assert.ok(user.accessToken)
assert.ok(user.id_token)
