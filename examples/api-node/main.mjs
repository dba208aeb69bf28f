// An API whose callers are signed in by authzd, with jose and without a framework. It knows the
// server's public keys and what has ended, and nothing else: no shared secret, no session.
//
//   request -> CORS -> authenticate (token, revocations: 401) -> scope or role of the route (403) -> handler
//
// ISSUER, AUDIENCE, ORIGINS and PORT change the defaults, which fit examples/authzd.yaml. LOST=refuse answers 503 while
// the revocation feed is away for longer than a minute; the default is to go on.
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { Revocations } from "./revocations.mjs";

globalThis.crypto ??= webcrypto; // for jose on Node.js 18

const {
  ISSUER = "http://localhost:9010",
  AUDIENCE = "http://localhost:8080", // the resource in authzd.yaml
  ORIGINS = "http://localhost:4200",
  PORT = "8080",
  LOST = "go_on",
} = process.env;
const origins = ORIGINS.split(",");
const keys = createRemoteJWKSet(new URL(ISSUER + "/jwks.json")); // cached, fetched again for an unknown key
const feed = new Revocations(ISSUER, keys);
feed.follow(ISSUER + "/revocations");

const routes = {
  "GET /orders": { scope: "orders.read", handle: (caller) => [200, [{ id: "1001", item: "Treacle", for: caller.sub }]] },
  "POST /orders": { scope: "orders.write", handle: (caller) => [201, { id: "1002", item: "Looking-glass", for: caller.sub }] },
  "GET /admin": { role: "admin", handle: (caller) => [200, { subject: caller.sub, roles: caller.roles }] },
};

// What jose says if the keys can't be had: the server answers something else, too late, or nonsense.
const unavailable = ["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"];

// Refusal is an error answer of RFC 6750 section 3.
class Refusal extends Error {
  constructor(status, code, description, scope) {
    super(description);
    Object.assign(this, { status, code, scope });
  }
}

// authenticate returns the claims of the access token. One that is bound to a key (cnf) is only good
// with a proof of that key (RFC 9449), which is not looked for here: to take it would undo the binding.
async function authenticate(request) {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) throw new Refusal(401, "unauthorized"); // no attempt to authenticate: no error in the challenge
  const payload = await verified(token);
  if (payload.cnf) throw new Refusal(401, "invalid_token", "the token is bound to a key, which is not checked here");
  if (feed.ended(payload)) throw new Refusal(401, "invalid_token", "the token has been revoked");
  if (LOST === "refuse" && feed.age() > 60) throw new Refusal(503, "temporarily_unavailable", "the token can't be verified now, try again later");
  return payload;
}

// verified follows RFC 9068 section 4. The algorithms are listed, so that neither "none" nor an HMAC
// with a public key as its secret counts; typ keeps ID tokens out.
async function verified(token) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
      requiredClaims: ["sub", "client_id", "exp", "iat", "jti"], clockTolerance: "30s",
    });
    return payload;
  } catch (error) {
    if (unavailable.includes(error.code) || !error.code?.startsWith("ERR_J")) { // a good token must not be thrown away
      console.error(error);
      throw new Refusal(503, "temporarily_unavailable", "the token can't be verified now, try again later");
    }
    throw new Refusal(401, "invalid_token", "the token is malformed, expired or not for this API");
  }
}

function authorize(caller, { scope, role }) {
  if (scope && !(caller.scope ?? "").split(" ").includes(scope)) {
    throw new Refusal(403, "insufficient_scope", "the token lacks a scope that this needs", scope);
  }
  if (role && ![caller.roles].flat().includes(role)) {
    throw new Refusal(403, "insufficient_scope", "the user lacks a role that this needs");
  }
}

// allowOrigin is CORS: before the token is looked at, so that the app can read a 401 too.
function allowOrigin(request, response) {
  response.setHeader("Vary", "Origin");
  if (!origins.includes(request.headers.origin)) return;
  response.setHeader("Access-Control-Allow-Origin", request.headers.origin);
  response.setHeader("Access-Control-Allow-Methods", "GET, POST");
  response.setHeader("Access-Control-Allow-Headers", "Authorization, Content-Type");
  response.setHeader("Access-Control-Expose-Headers", "WWW-Authenticate");
}

function answer(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function refuse(response, { status = 500, code = "server_error", message, scope }) {
  if (status === 401 || status === 403) {
    const parts = [`Bearer realm="${AUDIENCE}"`];
    if (message) parts.push(`error="${code}", error_description="${message}"`);
    if (scope) parts.push(`scope="${scope}"`);
    response.setHeader("WWW-Authenticate", parts.join(", "));
  }
  if (status === 503) response.setHeader("Retry-After", "5");
  answer(response, status, { error: code, error_description: message });
}

const server = createServer(async (request, response) => {
  allowOrigin(request, response);
  if (request.method === "OPTIONS") return answer(response, 204);
  const route = routes[request.method + " " + request.url.split("?")[0]];
  if (!route) return answer(response, 404, { error: "not_found" });
  try {
    const caller = await authenticate(request);
    authorize(caller, route);
    answer(response, ...route.handle(caller));
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error); // a mistake of ours: the caller learns no more
    refuse(response, error instanceof Refusal ? error : {});
  }
});
server.listen(Number(PORT), "localhost", () => console.log("listening on http://localhost:" + server.address().port));
