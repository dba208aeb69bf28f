// openid-client as a device without a browser (RFC 8628): it shows a code and waits for somebody to
// approve it elsewhere.
import './party.mjs'
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ISSUER, CLIENT_ID, RESOURCE, openInBrowser } from './party.mjs'

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), { execute: [client.allowInsecureRequests] })

const asked = await client.initiateDeviceAuthorization(config, { scope: 'openid profile offline_access orders.read', resource: RESOURCE })
assert.match(asked.user_code, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/)
assert.equal(new URL(asked.verification_uri_complete).searchParams.get('user_code'), asked.user_code)

const waiting = client.pollDeviceAuthorizationGrant(config, asked)
await openInBrowser(asked.verification_uri_complete)
const tokens = await waiting
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
assert.equal(user.name, 'Alice Liddell')
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
assert.equal(refreshed.claims().sub, tokens.claims().sub)

await assert.rejects(client.pollDeviceAuthorizationGrant(config, asked), { error: 'invalid_grant' })
