// A small OAuth 2.1 / OpenID Connect client for browsers. Tokens are kept in memory; what has to
// survive the redirect (verifier, state, nonce) is in sessionStorage until the answer comes.

const PENDING = "authzd-playground-pending";
const ACTIVITY_EVERY = 30_000; // milliseconds between activity beacons
const SILENT_TIMEOUT = 10_000; // milliseconds

// NetworkError: nobody answered. It is no reason to forget the tokens.
export class NetworkError extends Error {}

// OAuthError is an error answer (RFC 6749 section 5.2).
export class OAuthError extends Error {
  constructor({ error, error_description }) {
    super(error_description || "");
    this.code = error;
  }
}

export class OAuth {
  tokens = null;
  verified = {}; // by token name: whether the JWKS has verified it
  user = null; // claims from userinfo
  session = null; // from /session
  expiresAt = 0; // of the access token, in milliseconds
  #metadata = null;
  #refreshing = null;
  #lastBeacon = 0;

  constructor({ issuer, clientId, redirectURI, log }) {
    Object.assign(this, { issuer, clientId, redirectURI, log });
  }

  // begin leaves the page for the authorization endpoint.
  async begin(scope, options = {}) {
    const { url, pending } = await this.#authorizationURL(scope, options);
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    location.assign(url);
    await new Promise(() => {}); // the page is about to go
  }

  // finish takes the authorization response of the redirect.
  async finish(params) {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) || "null");
    sessionStorage.removeItem(PENDING);
    await this.#redeem(params, pending);
  }

  // silent asks in a hidden iframe, with prompt=none, whether the session still lives.
  async silent(scope) {
    const { url, pending } = await this.#authorizationURL(scope, { prompt: "none" });
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = "silent renewal";
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(reject, new NetworkError("silent renewal timed out")), SILENT_TIMEOUT);
      const receive = (event) => {
        if (event.origin === location.origin && event.source === frame.contentWindow && event.data?.authorizationResponse) {
          done(resolve, new URL(event.data.authorizationResponse).searchParams);
        }
      };
      const done = (settle, value) => {
        clearTimeout(timer);
        window.removeEventListener("message", receive);
        frame.remove();
        settle(value);
      };
      window.addEventListener("message", receive);
    });
    frame.src = url;
    document.body.append(frame);
    await this.#redeem(await answer, pending);
  }

  // refresh gets new tokens. However many callers there are, one request is made.
  refresh() {
    this.#refreshing ??= this.#token({ grant_type: "refresh_token", refresh_token: this.tokens.refresh_token })
      .catch((error) => {
        if (error instanceof OAuthError && error.code === "invalid_grant") this.#forget();
        throw error;
      })
      .finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  // fetch calls an API: on 401 it refreshes once and tries once more. The token goes to this API only.
  async fetch(method, url) {
    if (!url.startsWith(this.issuer + "/")) throw new Error("not an allow-listed API: " + url);
    let answer = await this.#call(method, url, this.#bearer());
    if (answer.status === 401 && this.tokens.refresh_token) {
      await this.refresh();
      answer = await this.#call(method, url, this.#bearer());
    }
    if (answer.status >= 400) throw new OAuthError(answer.body || { error: "http_" + answer.status });
    return answer.body;
  }

  async userinfo() {
    this.user = await this.fetch("GET", (await this.metadata()).userinfo_endpoint);
    return this.user;
  }

  async revoke() {
    const { revocation_endpoint } = await this.metadata();
    const token = this.tokens.refresh_token || this.tokens.access_token;
    const answer = await this.#call("POST", revocation_endpoint, {}, { client_id: this.clientId, token });
    if (answer.status !== 200) throw new OAuthError(answer.body);
    this.#forget();
  }

  // logout ends the session at the server, by RP-Initiated Logout.
  async logout() {
    const { end_session_endpoint } = await this.metadata();
    const params = new URLSearchParams({ post_logout_redirect_uri: this.redirectURI, client_id: this.clientId, state: "logged-out" });
    if (this.tokens?.id_token) params.set("id_token_hint", this.tokens.id_token);
    this.#forget();
    location.assign(end_session_endpoint + "?" + params);
    await new Promise(() => {}); // the page is about to go
  }

  // active tells the server that the user does something, now and then.
  async active() {
    if (!this.tokens || Date.now() - this.#lastBeacon < ACTIVITY_EVERY) return;
    this.#lastBeacon = Date.now();
    try {
      const answer = await this.#call("POST", this.issuer + "/session/activity", this.#bearer());
      if (answer.status === 200) this.session = answer.body;
    } catch { /* the next touch tries again */ }
  }

  async metadata() {
    this.#metadata ??= (await this.#call("GET", this.issuer + "/.well-known/openid-configuration")).body;
    return this.#metadata;
  }

  async #authorizationURL(scope, options) {
    const { authorization_endpoint } = await this.metadata();
    const pending = { state: random(), nonce: random(), verifier: random() };
    const params = {
      response_type: "code", client_id: this.clientId, redirect_uri: this.redirectURI, scope,
      state: pending.state, nonce: pending.nonce,
      code_challenge: await sha256(pending.verifier), code_challenge_method: "S256", ...options,
    };
    const url = authorization_endpoint + "?" + new URLSearchParams(params);
    this.log({ method: "GET", url: authorization_endpoint, request: params, status: options.prompt === "none" ? "iframe" : "redirect", note: "Authorization request" });
    return { url, pending };
  }

  async #redeem(params, pending) {
    this.log({ method: "GET", url: this.redirectURI, status: params.has("error") ? "error" : "code", response: Object.fromEntries(params), note: "Authorization response" });
    if (!pending || params.get("state") !== pending.state) throw new Error("The answer does not belong to a request of this tab: state differs.");
    if (params.get("iss") !== this.issuer) throw new Error("The answer is from another issuer.");
    if (params.has("error")) throw new OAuthError(Object.fromEntries(params));
    await this.#token({ grant_type: "authorization_code", code: params.get("code"), redirect_uri: this.redirectURI, code_verifier: pending.verifier }, pending.nonce);
  }

  async #token(form, nonce) {
    const { token_endpoint } = await this.metadata();
    const answer = await this.#call("POST", token_endpoint, {}, { ...form, client_id: this.clientId });
    if (answer.status !== 200) throw new OAuthError(answer.body);
    const verified = {};
    for (const name of ["id_token", "access_token"]) {
      if (decode(answer.body[name])) verified[name] = await this.#verify(answer.body[name]);
    }
    if (answer.body.id_token) this.#checkIDToken(answer.body.id_token, verified.id_token, nonce);
    this.tokens = { ...this.tokens, ...answer.body };
    this.verified = { ...this.verified, ...verified };
    this.expiresAt = Date.now() + answer.body.expires_in * 1000;
    const session = await this.#call("GET", this.issuer + "/session", this.#bearer());
    this.session = session.status === 200 ? session.body : null;
  }

  // #checkIDToken is OpenID Connect Core section 3.1.3.7.
  #checkIDToken(token, verified, nonce) {
    const { payload } = decode(token);
    if (!verified) throw new Error("The ID token's signature is wrong.");
    if (payload.iss !== this.issuer || payload.aud !== this.clientId) throw new Error("The ID token is for somebody else.");
    if (nonce !== undefined && payload.nonce !== nonce) throw new Error("The ID token answers another request: nonce differs.");
    if (payload.exp * 1000 <= Date.now()) throw new Error("The ID token has expired.");
  }

  // #verify checks a signature by WebCrypto against the server's JWKS.
  async #verify(token) {
    const { header } = decode(token);
    const algorithm = algorithms[header.alg];
    if (!algorithm) return false;
    const { keys } = (await this.#call("GET", (await this.metadata()).jwks_uri)).body;
    const jwk = keys.find((key) => key.kid === header.kid && key.alg === header.alg);
    if (!jwk) return false;
    const key = await crypto.subtle.importKey("jwk", { ...jwk, alg: undefined }, algorithm, false, ["verify"]);
    const [head, body, signature] = token.split(".");
    return crypto.subtle.verify(algorithm, key, bytes(signature), new TextEncoder().encode(head + "." + body));
  }

  async #call(method, url, headers = {}, form) {
    const options = { method, headers, cache: "no-store", credentials: "omit" };
    if (form) options.body = new URLSearchParams(form);
    let response, body;
    try {
      response = await fetch(url, options);
      const text = await response.text();
      body = text ? JSON.parse(text) : undefined;
    } catch (error) {
      this.log({ method, url, request: form, status: "no answer", note: String(error) });
      throw new NetworkError(String(error));
    }
    const challenge = response.headers.get("WWW-Authenticate");
    this.log({ method, url, request: form, status: response.status, response: body, note: challenge ? "WWW-Authenticate: " + challenge : "" });
    return { status: response.status, body };
  }

  #bearer() {
    return { Authorization: "Bearer " + this.tokens.access_token };
  }

  #forget() {
    Object.assign(this, { tokens: null, verified: {}, user: null, session: null, expiresAt: 0 });
  }
}

const algorithms = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

// decode returns header and payload of a JWT, null for anything else. It verifies nothing.
export function decode(token) {
  const parts = (token || "").split(".");
  if (parts.length !== 3) return null;
  try {
    const [header, payload] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
    return { header, payload };
  } catch {
    return null;
  }
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function sha256(text) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function base64url(data) {
  return btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}
