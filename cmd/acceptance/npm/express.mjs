// An Express app with sessions whose routes take access tokens too, one by one.
import express from 'express'
import session from 'express-session'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { ISSUER, AUDIENCE, SESSION_SECRET, PORT } = process.env
const keys = createRemoteJWKSet(new URL(ISSUER + '/jwks.json'))
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
const requiredClaims = ['sub', 'client_id', 'exp', 'iat', 'jti']

// ways counts requests by route and by way: token, session, refused, none.
const ways = new Map()
function count(request, way) {
  const key = `${request.method} ${request.route.path} ${way}`
  ways.set(key, { requests: (ways.get(key)?.requests ?? 0) + 1, last: new Date() })
}

// A cookie comes along with requests that other sites forge, a token never does.
function forged({ method, headers }) {
  if (['GET', 'HEAD', 'OPTIONS'].includes(method)) return false
  if (headers['sec-fetch-site']) return !['same-origin', 'none'].includes(headers['sec-fetch-site'])
  return headers.origin !== undefined && headers.origin.split('//')[1] !== headers.host
}

async function userOfToken(header) {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(header) ?? []
  const options = { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms, requiredClaims }
  const { payload } = await jwtVerify(token ?? '', keys, options)
  if (payload.cnf) throw Object.assign(new Error('bound to a key, which is not checked here'), { code: 'ERR_JWT' })
  return { id: payload.sub, scopes: (payload.scope ?? '').split(' '), roles: [payload.roles ?? []].flat() }
}

// guard lets in callers with a token, and with { old: true } those with the old session. A request with an
// Authorization header never falls back to the session.
const guard = (scope, { old = false } = {}) => async (request, response, next) => {
  const refuse = (way, status, error) => {
    count(request, way)
    if (status === 401) response.set('WWW-Authenticate', `Bearer realm="${AUDIENCE}"`)
    if (status === 503) response.set('Retry-After', '1')
    response.status(status).json({ error })
  }
  let way = 'token'
  if (request.headers.authorization !== undefined) {
    try {
      request.user = await userOfToken(request.headers.authorization)
    } catch (error) { // a good token must not be thrown away because the keys can't be had
      const bad = /^ERR_JW[ST]|^ERR_JOSE_ALG|^ERR_JWKS_NO_MATCHING_KEY/.test(error.code)
      return bad ? refuse('refused', 401, 'invalid_token') : refuse('refused', 503, 'temporarily_unavailable')
    }
  } else if (old && request.session.user && !forged(request)) {
    way = 'session'
    request.user = request.session.user
  } else {
    return refuse('none', 401, 'unauthorized')
  }
  if (!request.user.scopes.includes(scope)) return refuse('refused', 403, 'insufficient_scope')
  count(request, way)
  next()
}

const app = express()
app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false, cookie: { sameSite: 'lax' } }))
app.post('/login', (request, response) => { // your sign-in as it is
  request.session.user = { id: 'bob', scopes: ['orders.read', 'orders.write'], roles: [] }
  response.sendStatus(204)
})
app.get('/orders', guard('orders.read', { old: true }), (request, response) => response.json({ for: request.user.id }))
app.post('/orders', guard('orders.write', { old: true }), (request, response) => response.status(201).json({ for: request.user.id }))
app.get('/profile', guard('orders.read'), (request, response) => response.json({ for: request.user.id })) // moved already
app.get('/ways', (request, response) => response.json(Object.fromEntries(ways))) // for you, not for everybody

const server = app.listen(Number(PORT), 'localhost', () => console.log(`listening on http://localhost:${server.address().port}`))
