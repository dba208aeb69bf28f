// The playground: authorization code + PKCE (RFC 7636), tokens in memory, silent renewal, refresh,
// an API call, logout. oauth.js speaks the protocol; this file is the page.
import { OAuth, decode, NetworkError } from "./oauth.js";

const $ = (id) => document.getElementById(id);
const { issuer, clientId, resource } = document.body.dataset;
const redirectURI = issuer + "/playground";
const client = new OAuth({ issuer, clientId, redirectURI, log });

// Inside the iframe of a silent renewal this page only hands the answer to its parent.
if (window.parent !== window) {
  window.parent.postMessage({ authorizationResponse: location.href }, location.origin);
} else {
  start();
}

async function start() {
  wire();
  setInterval(drawClocks, 1000);
  const params = new URLSearchParams(location.search);
  try {
    if (params.has("code") || params.has("error")) {
      history.replaceState(null, "", location.pathname); // the code is used up: keep it out of history
      await client.finish(params);
    } else if (!params.has("state")) {
      await client.silent(scope());
    }
  } catch (error) {
    explain(error, { quiet: error.code === "login_required" });
  }
  draw();
}

function wire() {
  $("request").addEventListener("submit", (event) => {
    event.preventDefault();
    act($("sign-in"), () => client.begin(scope(), options()));
  });
  on("refresh", () => client.refresh());
  on("silent", () => client.silent(scope()));
  on("userinfo", () => client.userinfo());
  on("call-api", () => client.fetch("GET", resource + "/orders"));
  on("place-order", () => client.fetch("POST", resource + "/orders"));
  on("revoke", () => client.revoke());
  on("logout", () => client.logout());
  $("clear-log").addEventListener("click", () => {
    $("log").replaceChildren();
    $("log-empty").hidden = false;
  });
  for (const type of ["pointerdown", "keydown"]) {
    document.addEventListener(type, () => client.active(), { passive: true });
  }
}

function on(id, work) {
  $(id).addEventListener("click", () => act($(id), work));
}

// act runs one action at a time for each button and shows what came of it.
async function act(button, work) {
  button.disabled = true;
  try {
    await work();
    $("notice").hidden = true;
  } catch (error) {
    explain(error);
  } finally {
    button.disabled = false;
    draw();
  }
}

function scope() {
  return [...document.querySelectorAll("input[name=scope]:checked")].map((box) => box.value).join(" ");
}

function options() {
  const chosen = {};
  for (const name of ["prompt", "max_age", "login_hint"]) {
    const value = $("request").elements[name].value.trim();
    if (value) chosen[name] = value;
  }
  return chosen;
}

function explain(error, { quiet = false } = {}) {
  const notice = $("notice");
  notice.hidden = quiet;
  notice.className = "notice bad";
  if (error instanceof NetworkError) {
    notice.textContent = "The server could not be reached. You are still signed in: try again.";
  } else if (error.code) {
    notice.textContent = error.code + (error.message ? ": " + error.message : "");
  } else {
    notice.textContent = String(error);
  }
}

function draw() {
  const signedIn = client.tokens !== null;
  $("status").textContent = signedIn ? "Signed in" : "Signed out";
  $("status").classList.toggle("good", signedIn);
  $("signed-in").hidden = !signedIn;
  $("tokens").hidden = !signedIn;
  $("refresh").disabled = !client.tokens?.refresh_token;
  if (signedIn) {
    const claims = client.tokens.id_token ? decode(client.tokens.id_token).payload : {};
    $("who").textContent = client.user?.name || client.user?.preferred_username || claims.sub || "an app";
    drawTokens();
  }
  drawClocks();
}

function drawTokens() {
  const cards = [];
  for (const [name, title] of [["id_token", "ID token"], ["access_token", "Access token"], ["refresh_token", "Refresh token"]]) {
    const token = client.tokens[name];
    if (!token) continue;
    const card = element("article", { className: "card" }, element("h3", {}, title));
    const verified = client.verified[name];
    if (verified !== undefined) {
      card.append(element("p", { className: verified ? "badge good" : "badge bad" }, verified ? "Signature verified by JWKS" : "Signature not verified"));
    }
    const parts = decode(token);
    if (parts) {
      card.append(json(parts.header), json(parts.payload));
    }
    card.append(element("details", {}, element("summary", {}, "As sent"), element("pre", { className: "raw" }, token)));
    cards.push(card);
  }
  $("token-cards").replaceChildren(...cards);
}

function drawClocks() {
  $("access-left").textContent = left(client.expiresAt);
  $("idle-left").textContent = left(Date.parse(client.session?.idle_expires_at));
  $("session-left").textContent = left(Date.parse(client.session?.expires_at));
}

function left(time) {
  if (!time) return "–";
  const seconds = Math.round((time - Date.now()) / 1000);
  if (seconds <= 0) return "expired";
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  return Math.floor(seconds / 3600) + " h";
}

// log shows a request and what came back. Everything is text: nothing that a server says is markup.
function log({ method, url, request, status, response, note }) {
  $("log-empty").hidden = true;
  const ok = typeof status === "number" && status < 400;
  const item = element("li", {},
    element("details", {},
      element("summary", {},
        element("span", { className: "method" }, method),
        element("span", { className: "path" }, new URL(url).pathname),
        element("span", { className: ok ? "code good" : "code bad" }, String(status))),
      element("p", { className: "muted" }, note || ""),
      element("h4", {}, "Request"), element("pre", {}, url), ...(request ? [json(request)] : []),
      ...(response === undefined ? [] : [element("h4", {}, "Answer"), json(response)])));
  $("log").prepend(item);
}

function json(value) {
  return element("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
