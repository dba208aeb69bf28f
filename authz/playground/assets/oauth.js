// A small OAuth 2.1 / OpenID Connect client for a single-page app.
//
//   begin  ── the page leaves ──> /authorize ──> finish ─┐
//   silent ── iframe, prompt=none ──> /authorize ────────┴─> state, iss ──> /token ─┬─> ID token checked
//   refresh ── one request, however many callers wait for it ─────────────> /token ─┘
//   fetch ── an API; on 401 one refresh and one retry; with a proof if the token is bound to a key
//   revoke, logout
//
// Tokens are in the memory of this object and nowhere else. Only what has to survive the redirect
// (state, nonce, verifier) waits in sessionStorage, and it is worth nothing without the code.
import { Key } from "./dpop.js";
import { decode, find, random, s256, verify } from "./jwt.js";

const PENDING = "authzd-playground-pending";
const ACTIVITY_EVERY = 30_000; // milliseconds between two beacons
const SILENT_TIMEOUT = 10_000; // milliseconds

// NetworkError: nobody answered. That is no reason to forget the tokens.
export class NetworkError extends Error {}

// ForeignAnswer: an authorization response that answers no request of this tab. It may be an old
// one that the back button brought up, or one that another site made up (RFC 9700 section 4.7).
export class ForeignAnswer extends Error {}

// OAuthError is an error answer (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1).
export class OAuthError extends Error {
  constructor(code, description, scope) {
    super(description || "");
    this.code = code;
    this.scope = scope; // that an API wants, with insufficient_scope
  }
}

export class Client {
  tokens = null; // the token response; null: signed out
  verified = {}; // by token name: whether a key of the server has signed it
  user = null; // claims from userinfo
  session = null; // when it will end, from /session
  expiresAt = 0; // of the access token, in milliseconds
  bind = false; // whether the next sign-in binds its tokens to a key (RFC 9449)
  #metadata = null;
  #keys = [];
  #refreshing = null;
  #beaconAt = 0;
  #key = null; // that the tokens are bound to; null: none
  #nonce; // that the server wants in proofs; undefined: none

  // report is called with every request and what came back; open marks those that somebody asked
  // for, the others being steps of the protocol.
  constructor({ issuer, clientId, redirectURI, report }) {
    Object.assign(this, { issuer, clientId, redirectURI, report });
  }

  // begin leaves the page for the authorization endpoint.
  async begin(scope, options = {}) {
    const pending = await this.#request(scope, options);
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    location.assign(pending.url);
    await new Promise(() => {}); // the page is about to go
  }

  // finish takes the authorization response with which the page came back.
  async finish(params) {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) || "null");
    sessionStorage.removeItem(PENDING);
    if (pending) this.report({ name: "Authorization request", method: "GET", url: pending.url, status: "redirect" });
    await this.#redeem(params, pending);
  }

  // silent asks in a hidden iframe, with prompt=none, whether the session still lives.
  async silent(scope) {
    const pending = await this.#request(scope, { prompt: "none" });
    this.report({ name: "Authorization request", method: "GET", url: pending.url, status: "iframe" });
    await this.#redeem(await this.#inFrame(pending.url), pending);
  }

  // refresh gets new tokens. However many callers there are, one request is made.
  refresh() {
    this.#refreshing ??= this.#token({ grant_type: "refresh_token", refresh_token: this.tokens.refresh_token }, this.#key)
      .catch((error) => {
        if (error.code === "invalid_grant") this.#forget(); // only the server can say that it is over
        throw error;
      })
      .finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  // fetch calls an API with the access token, which goes to this server's own APIs only.
  async fetch(name, method, url) {
    if (!url.startsWith(this.issuer + "/")) throw new Error("not an allow-listed API: " + url);
    const used = this.tokens.access_token;
    let answer = await this.#call(name, method, url, { token: used, key: this.#key, open: true });
    if (answer.status === 401 && this.tokens?.refresh_token) {
      if (this.tokens.access_token === used) await this.refresh(); // unless another call has done it
      answer = await this.#call(name, method, url, { token: this.tokens.access_token, key: this.#key, open: true });
    }
    if (answer.status >= 400) throw refusal(answer);
    return answer.body;
  }

  // userinfo asks who the user is; the answer must be about the user of the ID token (OpenID Connect
  // Core section 5.3.2).
  async userinfo() {
    const user = await this.fetch("Userinfo", "GET", (await this.metadata()).userinfo_endpoint);
    if (user.sub !== this.#subject()) throw new Error("userinfo is about somebody else");
    this.user = user;
  }

  // revoke ends the grant (RFC 7009): none of its tokens is good for a refresh or for this server
  // any more. An API that only looks at signatures goes on until the access token expires.
  async revoke() {
    const token = this.tokens.refresh_token || this.tokens.access_token;
    const answer = await this.#call("Revocation", "POST", (await this.metadata()).revocation_endpoint, {
      form: { client_id: this.clientId, token },
    });
    if (answer.status !== 200) throw refusal(answer);
    this.#forget();
  }

  // logout leaves the page to end the session at the server (RP-Initiated Logout 1.0).
  async logout(state) {
    const { end_session_endpoint } = await this.metadata();
    const params = new URLSearchParams({ client_id: this.clientId, post_logout_redirect_uri: this.redirectURI, state });
    if (this.tokens?.id_token) params.set("id_token_hint", this.tokens.id_token);
    this.#forget();
    location.assign(end_session_endpoint + "?" + params);
  }

  // active tells the server now and then that the user does something. It returns whether it did.
  async active() {
    if (!this.session || Date.now() - this.#beaconAt < ACTIVITY_EVERY) return false;
    this.#beaconAt = Date.now();
    this.session = await this.fetch("Activity", "POST", this.issuer + "/session/activity");
    return true;
  }

  // spoil changes a character of the access token's signature, so that the next call meets a 401.
  spoil() {
    const token = this.tokens.access_token;
    const at = token.length - 20;
    const access_token = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    this.tokens = { ...this.tokens, access_token };
    this.verified.access_token = false;
  }

  async metadata() {
    if (!this.#metadata) {
      const answer = await this.#call("Discovery", "GET", this.issuer + "/.well-known/openid-configuration");
      if (answer.status !== 200) throw refusal(answer);
      this.#metadata = answer.body;
    }
    return this.#metadata;
  }

  // #request makes an authorization request: its URL, and what the answer will be checked against.
  async #request(scope, options) {
    const { authorization_endpoint } = await this.metadata();
    const pending = { state: random(), nonce: random(), verifier: random(), bind: this.bind };
    if (this.bind) options = { ...options, dpop_jkt: await (await Key.own()).thumbprint() }; // of use to nobody else
    pending.url = authorization_endpoint + "?" + new URLSearchParams({
      response_type: "code", client_id: this.clientId, redirect_uri: this.redirectURI, scope,
      state: pending.state, nonce: pending.nonce,
      code_challenge: await s256(pending.verifier), code_challenge_method: "S256", ...options,
    });
    return pending;
  }

  // #inFrame opens an authorization request out of sight. The page that it comes back to is this
  // app's, which hands the answer over.
  #inFrame(url) {
    return new Promise((resolve, reject) => {
      const frame = Object.assign(document.createElement("iframe"), { hidden: true, title: "Silent renewal", src: url });
      const done = (settle, value) => {
        clearTimeout(timer);
        window.removeEventListener("message", receive);
        frame.remove();
        settle(value);
      };
      const receive = ({ origin, source, data }) => {
        if (origin === location.origin && source === frame.contentWindow && typeof data?.authorizationResponse === "string") {
          done(resolve, new URLSearchParams(data.authorizationResponse));
        }
      };
      const timer = setTimeout(done, SILENT_TIMEOUT, reject, new NetworkError("no answer in the iframe"));
      window.addEventListener("message", receive);
      document.body.append(frame);
    });
  }

  async #redeem(params, pending) {
    this.report({
      name: "Authorization response", method: "GET", url: this.redirectURI + "?" + params, status: params.get("error") || "code",
    });
    if (!pending || params.get("state") !== pending.state) throw new ForeignAnswer("state differs");
    if (params.get("iss") !== this.issuer) throw new ForeignAnswer("iss differs"); // RFC 9207
    if (params.has("error")) throw new OAuthError(params.get("error"), params.get("error_description"));
    await this.#token({
      grant_type: "authorization_code", code: params.get("code"), redirect_uri: this.redirectURI, code_verifier: pending.verifier,
    }, pending.bind ? await Key.own() : null, pending.nonce);
  }

  // #token makes a token request and takes the tokens over once they have been checked. A refresh,
  // which has no nonce, leaves what it does not replace.
  async #token(form, key, nonce) {
    const answer = await this.#call("Token request", "POST", (await this.metadata()).token_endpoint, {
      form: { ...form, client_id: this.clientId }, key,
    });
    if (answer.status !== 200) throw refusal(answer);
    const verified = {};
    for (const name of ["id_token", "access_token"]) {
      if (decode(answer.body[name])) verified[name] = await this.#verify(answer.body[name]);
    }
    if (answer.body.id_token) this.#checkIDToken(answer.body.id_token, verified.id_token, nonce);
    const before = nonce === undefined ? this : {};
    const subject = this.#subject();
    this.tokens = { ...before.tokens, ...answer.body };
    this.#key = key;
    this.verified = { ...before.verified, ...verified };
    this.expiresAt = Date.now() + answer.body.expires_in * 1000;
    if (this.#subject() !== subject) this.user = null;
    await this.#readSession();
  }

  // #checkIDToken is OpenID Connect Core sections 3.1.3.7 and, for a refresh, 12.2.
  #checkIDToken(token, verified, nonce) {
    const { iss, aud, sub, exp, nonce: answered } = decode(token).payload;
    if (!verified) throw new Error("The ID token is not signed by the server.");
    if (iss !== this.issuer || String(aud) !== this.clientId) throw new Error("The ID token is for another client.");
    if (exp * 1000 <= Date.now()) throw new Error("The ID token has expired.");
    if (nonce !== undefined && answered !== nonce) throw new Error("The ID token answers another request.");
    if (nonce === undefined && this.#subject() && sub !== this.#subject()) throw new Error("The ID token is about another user.");
  }

  // #verify checks a signature. A key that is new to us makes us fetch the JWKS again.
  async #verify(token) {
    if (!find(this.#keys, token)) {
      const answer = await this.#call("Keys", "GET", (await this.metadata()).jwks_uri);
      if (answer.status !== 200) throw refusal(answer);
      this.#keys = answer.body.keys;
    }
    const key = find(this.#keys, token);
    return key !== undefined && verify(token, key);
  }

  async #readSession() {
    const answer = await this.#call("Session", "GET", this.issuer + "/session", { token: this.tokens.access_token, key: this.#key });
    this.session = answer.status === 200 && answer.body.active ? answer.body : null;
    this.#beaconAt = Date.now();
  }

  // #subject is who the tokens are about, undefined if nobody is signed in or openid was not asked for.
  #subject() {
    return decode(this.tokens?.id_token)?.payload.sub;
  }

  // #call makes a request, and with a key once more if the server asks for its nonce.
  async #call(name, method, url, what = {}) {
    const answer = await this.#send(name, method, url, what);
    return what.key && answer.body?.error === "use_dpop_nonce" ? this.#send(name, method, url, what) : answer;
  }

  async #send(name, method, url, { token, form, key, open }) {
    const headers = token ? { Authorization: (key ? "DPoP " : "Bearer ") + token } : {};
    if (key) headers.DPoP = await key.proof(method, url, token, this.#nonce);
    const body = form && new URLSearchParams(form);
    const begun = performance.now();
    const exchange = { name, method, url, headers, form, open };
    let response, text;
    try {
      response = await fetch(url, { method, headers, body, cache: "no-store", credentials: "omit" });
      text = await response.text();
    } catch (error) {
      this.report({ ...exchange, status: "no answer", answer: String(error) });
      throw new NetworkError(String(error));
    }
    this.#nonce = response.headers.get("DPoP-Nonce") ?? this.#nonce;
    const answer = { status: response.status, body: parse(text), challenge: response.headers.get("WWW-Authenticate") };
    this.report({
      ...exchange, status: answer.status, answer: answer.body, challenge: answer.challenge, milliseconds: performance.now() - begun,
    });
    return answer;
  }

  #forget() {
    Object.assign(this, { tokens: null, verified: {}, user: null, session: null, expiresAt: 0 });
  }
}

function refusal({ status, body, challenge }) {
  const scope = /\bscope="([^"]*)"/.exec(challenge || "")?.[1];
  return new OAuthError(body?.error || "http_" + status, body?.error_description, scope);
}

// parse reads JSON; whatever a proxy says instead stays text.
function parse(text) {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return text;
  }
}
