// jose in the place of stacks that were there before RFC 9068: Spring Security takes the type JWT and
// no other, ASP.NET Core is often told to, and each reads scopes and roles from claims of its own choice.
import './party.mjs'
import assert from 'node:assert/strict'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { ISSUER, RESOURCE } from './party.mjs'

const { ACCESS_TOKEN, ID_TOKEN } = process.env
const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

// Spring: NimbusJwtDecoder with issuer, audience and time stamps; authorities are SCOPE_ and a scope.
const spring = { issuer: ISSUER, audience: RESOURCE, typ: 'JWT', algorithms: ['RS256'], requiredClaims: ['iat', 'exp', 'sub'] }
// .NET: ValidTypes, ValidateIssuer, ValidateAudience, ValidateLifetime; RoleClaimType is roles.
const dotnet = { ...spring, clockTolerance: '5 minutes' }

for (const [stack, options] of Object.entries({ spring, dotnet })) {
  const { payload, protectedHeader } = await jwtVerify(ACCESS_TOKEN, keys, options)
  assert.ok(protectedHeader.kid, stack)
  assert.deepEqual(payload.scope.split(' ').map((scope) => `SCOPE_${scope}`).includes('SCOPE_reports.read'), true, stack)
  assert.deepEqual(payload.roles, ['admin'], stack)

  // An ID token has the same type: its audience is what keeps it out.
  await assert.rejects(jwtVerify(ID_TOKEN, keys, options), { claim: 'aud' }, stack)
}
// And a token for an API that follows RFC 9068 does not pass for one of theirs.
await assert.rejects(jwtVerify(process.env.OTHER_TOKEN, keys, spring), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' })
