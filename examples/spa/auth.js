// Signing in at authzd, by the authorization code flow with PKCE (RFC 6749, RFC 7636, RFC 9700).
// oauth4webapi makes and checks the protocol's messages; this file is what an app adds to them:
//
//   start    back from the sign-in: redeem the code
//            else: take the tokens of another tab, or ask the server silently who is signed in
//   call     401 -> one refresh, for all calls and all tabs -> one retry -> SignInNeeded
//   signOut  forget the tokens, end the session at the server
//
// Tokens are in memory only. A script that is injected into the page can use them while the page is
// open, but finds nothing to carry home from localStorage, and a reload costs one silent request.
import * as oauth from "./node_modules/oauth4webapi/build/index.js"; // with a bundler: "oauth4webapi"
import { config } from "./config.js";

const client = { client_id: config.clientID };
const noSecret = oauth.None(); // a browser can't keep one
const insecure = ["localhost", "127.0.0.1"].includes(new URL(config.issuer).hostname); // plain http
const options = { [oauth.allowInsecureRequests]: insecure };
const redirectURI = location.origin + "/callback";
const silentTimeout = 10_000; // milliseconds
const tabTimeout = 100; // milliseconds

let tokens = null; // the last answer of the token endpoint
let metadata = null; // promise of the server's metadata (RFC 8414)
const tabs = new BroadcastChannel("tokens"); // reaches this origin only

/** Nobody is signed in, or not any more. The page decides when to go to the sign-in page. */
export class SignInNeeded extends Error {}

/** Settles who is signed in, and returns whether anybody is. Call it once, before anything else. */
export async function start() {
  if (window.parent !== window) { // the hidden frame of silentSignIn: it only hands over the answer
    window.parent.postMessage(location.href, location.origin);
    return new Promise(() => {});
  }
  if (location.pathname === new URL(redirectURI).pathname) {
    const answer = new URL(location.href);
    const pending = JSON.parse(sessionStorage.getItem("pending"));
    sessionStorage.removeItem("pending");
    history.replaceState(null, "", ownURL(pending?.returnTo)); // the code leaves the address bar
    await redeem(answer, pending);
  } else if (!await tokensOfAnotherTab()) {
    await silentSignIn();
  }
  return tokens !== null;
}

/** Leaves for the sign-in page. The user comes back to returnTo, a URL of this app. */
export async function signIn(returnTo = location.href) {
  const { url, pending } = await authorizationRequest();
  sessionStorage.setItem("pending", JSON.stringify({ ...pending, returnTo: ownURL(returnTo) }));
  location.assign(url);
}

/** Ends the session at the server, and with it the refresh tokens of this app's every tab. */
export async function signOut() {
  const { end_session_endpoint } = await server();
  const params = new URLSearchParams({ client_id: config.clientID, post_logout_redirect_uri: location.origin + "/" });
  if (tokens) params.set("id_token_hint", tokens.id_token); // so that the server need not ask back
  set(null);
  location.assign(end_session_endpoint + "?" + params);
}

/**
 * fetch() with the access token, for the issuer and the APIs of config.js. A failing network rejects
 * as it does in fetch, and is no reason to sign in again.
 */
export async function call(url, init = {}) {
  if (![config.issuer, ...config.apis].some((own) => new URL(own).origin === new URL(url).origin)) {
    throw new Error("no token for " + url);
  }
  for (let retry = false; tokens; retry = true) {
    const { access_token } = tokens;
    const answer = await fetch(url, { ...init, headers: { ...init.headers, Authorization: "Bearer " + access_token } });
    if (answer.status !== 401) return answer;
    if (retry) break; // fresh from the server and refused all the same
    await refresh(access_token);
  }
  throw new SignInNeeded();
}

/** The absolute form of a URL of this app. Anything else becomes the app's start page. */
export function ownURL(value) {
  try {
    const url = new URL(value ?? "/", location.origin);
    if (url.href.startsWith(location.origin + "/") && url.pathname !== new URL(redirectURI).pathname) return url.href;
  } catch { /* not a URL */ }
  return location.origin + "/";
}

/** The metadata of the server, fetched once. */
export function server() {
  metadata ??= discover().catch((error) => {
    metadata = null; // the next call tries again
    throw error;
  });
  return metadata;
}

async function discover() {
  const issuer = new URL(config.issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
}

async function authorizationRequest(extra = {}) {
  const pending = {
    state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier: oauth.generateRandomCodeVerifier(),
  };
  const params = new URLSearchParams({
    response_type: "code", client_id: config.clientID, redirect_uri: redirectURI, scope: config.scope,
    state: pending.state, nonce: pending.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier), code_challenge_method: "S256", ...extra,
  });
  return { url: (await server()).authorization_endpoint + "?" + params, pending };
}

// redeem checks an authorization response (state, iss: RFC 9207) and exchanges its code. An error of
// the server's, such as access_denied, is thrown with its code in the member "error".
async function redeem(answer, pending) {
  if (!pending) throw new Error("This sign-in was not begun in this tab.");
  const as = await server();
  const params = oauth.validateAuthResponse(as, client, answer, pending.state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, noSecret, params, redirectURI, pending.verifier, options);
  set(await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: pending.nonce, requireIdToken: true }));
}

// silentSignIn asks in a hidden frame, with prompt=none. That needs the server's cookie, so it works
// where app and server are of one site (app.example.com and id.example.com). Elsewhere the answer is
// login_required, and a click on "Sign in" does it without a password.
async function silentSignIn() {
  const { url, pending } = await authorizationRequest({ prompt: "none" });
  const frame = Object.assign(document.createElement("iframe"), { hidden: true, src: url });
  const answer = new Promise((resolve, reject) => {
    addEventListener("message", (event) => {
      if (event.source === frame.contentWindow && event.origin === location.origin) resolve(new URL(event.data));
    });
    setTimeout(() => reject(new Error("The silent sign-in got no answer.")), silentTimeout);
  });
  document.body.append(frame);
  try {
    await redeem(await answer, pending);
  } catch (error) {
    if (!["login_required", "consent_required", "account_selection_required"].includes(error.error)) throw error;
  } finally {
    frame.remove();
  }
}

// refresh replaces an access token that was refused. The lock is one for all tabs: of fifty calls
// that get a 401 at once the first refreshes, and the others find that it is done.
function refresh(refused) {
  return navigator.locks.request("refresh", async () => {
    if (tokens?.access_token !== refused) return;
    if (!tokens.refresh_token) return set(null);
    const as = await server();
    try {
      const response = await oauth.refreshTokenGrantRequest(as, client, noSecret, tokens.refresh_token, options);
      set({ ...tokens, ...await oauth.processRefreshTokenResponse(as, client, response) });
    } catch (error) {
      if (error.error !== "invalid_grant") throw error; // the network or the server failed: a retry is safe
      set(null);
    }
  });
}

function set(value) {
  tokens = value;
  tabs.postMessage({ tokens });
}

// tokensOfAnotherTab asks the other tabs of this app.
async function tokensOfAnotherTab() {
  tabs.postMessage("tokens?");
  await new Promise((resolve) => {
    tabs.addEventListener("message", resolve, { once: true });
    setTimeout(resolve, tabTimeout);
  });
  return tokens !== null;
}

tabs.addEventListener("message", ({ data }) => {
  if (data !== "tokens?") {
    tokens = data.tokens;
    dispatchEvent(new Event("tokens")); // another tab has signed in, refreshed or signed out
  } else if (tokens) {
    tabs.postMessage({ tokens });
  }
});
