// The MCP SDK as a client that knows the URL of an MCP server and nothing else. With
// CLIENT_METADATA_URL it is known by that URL, and without it registers itself.
import './party.mjs'
import assert from 'node:assert/strict'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ISSUER, REDIRECT_URI, openInBrowser } from './party.mjs'

const { MCP_SERVER, CLIENT_METADATA_URL } = process.env

// provider is an OAuthClientProvider that keeps everything in memory.
const kept = {}
const provider = {
  redirectUrl: REDIRECT_URI,
  clientMetadataUrl: CLIENT_METADATA_URL,
  clientMetadata: {
    client_name: 'Inspector',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  state: () => (kept.state = crypto.randomUUID()),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier },
  redirectToAuthorization: (url) => { kept.url = url },
}
const connect = async () => {
  const transport = new StreamableHTTPClientTransport(new URL(MCP_SERVER), { authProvider: provider })
  const client = new Client({ name: 'acceptance', version: '1' })
  try {
    await client.connect(transport)
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    return { transport }
  }
  return { transport, client }
}
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
const whoami = async (client) => (await client.callTool({ name: 'whoami' })).content[0].text

// The server refuses, and the SDK finds out where to sign in.
const { transport } = await connect()
assert.equal(kept.url.origin + kept.url.pathname, `${ISSUER}/authorize`)
assert.equal(kept.url.searchParams.get('resource'), MCP_SERVER)
assert.equal(kept.url.searchParams.get('code_challenge_method'), 'S256')
if (CLIENT_METADATA_URL) assert.equal(kept.client.client_id, CLIENT_METADATA_URL)
else assert.ok(kept.client.client_id_issued_at)

const callback = await openInBrowser(kept.url)
assert.equal(callback.searchParams.get('state'), kept.state)
assert.equal(callback.searchParams.get('iss'), ISSUER)
await transport.finishAuth(callback.searchParams.get('code'))
const { sub, aud, scope } = claims(kept.tokens.access_token)
assert.deepEqual(aud, [MCP_SERVER])
assert.ok(scope.split(' ').includes('tools.call'))

const { client } = await connect()
assert.deepEqual((await client.listTools()).tools.map((tool) => tool.name), ['whoami'])
assert.equal(await whoami(client), `${sub} by ${kept.client.client_id}`)

// A token that is no longer any good is refreshed on the way, and its refresh token rotates.
const before = kept.tokens.refresh_token
assert.ok(before)
kept.tokens = { ...kept.tokens, access_token: 'expired' }
assert.equal(await whoami(client), `${sub} by ${kept.client.client_id}`)
assert.notEqual(kept.tokens.refresh_token, before)
await client.close()
