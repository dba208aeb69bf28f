// The playground: what happens when the page opens, and when a button is pressed. oauth.js speaks
// the protocol, view.js shows it.
import { Client, ForeignAnswer, NetworkError } from "./oauth.js";
import { byId, clearLog, clearNotice, drawClient, drawClocks, logExchange, notify } from "./view.js";

const SCOPE = "authzd-playground-scope"; // what this tab was granted last
const BIND = "authzd-playground-bind"; // whether this tab binds its tokens to a key
const LOGGED_OUT = "logged-out"; // state of a logout

const { issuer, clientId, resource } = document.body.dataset;
const redirectURI = issuer + "/playground";
const client = new Client({ issuer, clientId, redirectURI, report: logExchange });

if (window.parent !== window) {
  // In the iframe of a silent renewal, this page hands the answer to its parent and does no more.
  window.parent.postMessage({ authorizationResponse: location.search }, location.origin);
} else if (location.origin !== new URL(issuer).origin) {
  location.replace(redirectURI); // by another name of this machine, nothing here would be same-origin
} else {
  start();
}

async function start() {
  wire();
  chooseScope(sessionStorage.getItem(SCOPE));
  client.bind = byId("dpop").checked = sessionStorage.getItem(BIND) === "yes";
  const params = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname); // a code is used once, and is none of the history's business
  const problem = await settled(() => answered(params) ? client.finish(params) : undefined);
  if (params.get("state") === LOGGED_OUT && !answered(params)) {
    notify("info", "", "You are logged out.");
  } else if (!client.tokens) {
    await resume(problem instanceof ForeignAnswer ? undefined : problem);
  }
  await meet();
  byId("content").ariaBusy = "false";
}

// resume picks up the session at the server, if there is one: memory does not survive a reload. Not
// being signed in is no problem worth a word, but what came before may be.
async function resume(problem) {
  const failure = await settled(() => client.silent(scope()));
  if (problem) {
    explain(problem);
  } else if (failure instanceof NetworkError) {
    explain(failure);
  }
}

function answered(params) {
  return params.has("code") || params.has("error");
}

// settled runs work and returns the error that it ended with, if any.
async function settled(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
}

// meet asks who the user is, once after each login, remembers what was granted, and shows it all.
async function meet() {
  if (client.tokens) {
    sessionStorage.setItem(SCOPE, client.tokens.scope);
    chooseScope(client.tokens.scope);
    if (client.tokens.id_token && !client.user) {
      const problem = await settled(() => client.userinfo());
      if (problem) explain(problem);
    }
  }
  drawClient(client);
}

function wire() {
  byId("request").addEventListener("submit", (event) => {
    event.preventDefault();
    act(byId("sign-in"), () => client.begin(scope(), options()));
  });
  byId("dpop").addEventListener("change", ({ target }) => {
    client.bind = target.checked;
    sessionStorage.setItem(BIND, target.checked ? "yes" : "no");
  });
  on("silent", () => client.silent(scope()));
  on("refresh", () => client.refresh());
  on("spoil", () => client.spoil());
  on("revoke", () => client.revoke());
  on("userinfo", () => client.userinfo());
  on("call-api", () => client.fetch("List orders", "GET", resource + "/orders"));
  on("place-order", () => client.fetch("Place an order", "POST", resource + "/orders"));
  on("logout", async () => {
    await client.logout(LOGGED_OUT);
    drawClient(client); // no token stays on a page that the back button may bring up
  });
  byId("clear-log").addEventListener("click", clearLog);
  for (const type of ["pointerdown", "keydown"]) {
    document.addEventListener(type, active, { passive: true });
  }
  setInterval(drawClocks, 1000, client);
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload()); // from the back-forward cache
}

function on(id, work) {
  byId(id).addEventListener("click", () => act(byId(id), work));
}

// act does one thing at a time for each button, and says what came of it. The button keeps the
// focus, as it would not if it were disabled meanwhile.
async function act(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  clearNotice();
  const problem = await settled(work);
  if (problem) explain(problem);
  await meet();
  button.ariaBusy = "false";
}

async function active() {
  const problem = await settled(async () => {
    if (await client.active()) drawClocks(client);
  });
  if (!problem) return;
  explain(problem);
  drawClient(client);
}

function scope() {
  return [...document.querySelectorAll("input[name=scope]:checked")].map((box) => box.value).join(" ");
}

function chooseScope(granted) {
  if (!granted) return;
  for (const box of document.querySelectorAll("input[name=scope]")) {
    box.checked = granted.split(" ").includes(box.value);
  }
}

function options() {
  const { prompt, max_age, login_hint } = byId("request").elements;
  return Object.fromEntries([prompt, max_age, login_hint].filter((field) => field.value).map((field) => [field.name, field.value]));
}

// What a person can do about an error.
const ADVICE = {
  invalid_grant: "The session or the grant has ended. Sign in again.",
  login_required: "Nobody is signed in at the server in this browser. Sign in.",
  consent_required: "You have not allowed all of this yet. Press Sign in to be asked.",
};

function explain(error) {
  if (error instanceof NetworkError) {
    notify("bad", "No answer.", "The server could not be reached." + (client.tokens ? " You are still signed in: try again." : ""));
  } else if (error.code === "insufficient_scope" && error.scope) {
    notify("bad", error.code, "The API wants the scope " + error.scope + ".", {
      id: "ask-scope",
      text: "Ask for " + error.scope,
      run: () => act(byId("ask-scope"), () => client.begin(scope() + " " + error.scope)),
    });
  } else {
    notify("bad", error.code, ADVICE[error.code] || error.message);
  }
}
