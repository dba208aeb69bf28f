// What the playground shows. Everything is put in as text: nothing that a server says is markup.
import { decode } from "./jwt.js";

const KEPT = 100; // requests in the log
const LONG = 72; // characters; what is longer, tokens mostly, is shortened in the log

export const byId = (id) => document.getElementById(id);

const TOKENS = [["access_token", "Access token"], ["id_token", "ID token"], ["refresh_token", "Refresh token"]];

let drawn = null; // the tokens that the cards show

// drawClient brings the page up to date with what the client knows. It leaves alone what has not
// changed, since somebody's focus may be there.
export function drawClient(client) {
  const signedIn = client.tokens !== null;
  setText("status", signedIn ? "Signed in" : "Signed out");
  byId("status").classList.toggle("good", signedIn);
  if (!signedIn && byId("signed-in").contains(document.activeElement)) byId("sign-in").focus();
  byId("signed-in").hidden = !signedIn;
  byId("tokens").hidden = !signedIn;
  if (signedIn) {
    const subject = decode(client.tokens.id_token)?.payload.sub;
    setText("who", client.user?.name || client.user?.preferred_username || subject || "somebody (no openid)");
    setText("granted", client.tokens.scope);
    setText("token-type", client.tokens.token_type);
    byId("refresh").disabled = !client.tokens.refresh_token;
  }
  if (drawn !== client.tokens) {
    drawn = client.tokens;
    byId("token-cards").replaceChildren(...(signedIn ? tokenCards(client) : []));
  }
  drawClocks(client);
}

// drawClocks shows how much time is left. A session that ends within two minutes is worth a warning.
export function drawClocks(client) {
  for (const [id, time] of [
    ["access-left", client.expiresAt],
    ["idle-left", Date.parse(client.session?.idle_expires_at)],
    ["session-left", Date.parse(client.session?.expires_at)],
  ]) {
    const seconds = Math.round((time - Date.now()) / 1000);
    setText(id, time ? left(seconds) : "–");
    byId(id).classList.toggle("bad", Boolean(time) && seconds < 120);
  }
}

// setText leaves an unchanged text alone, which a screen reader would read out once more.
function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function left(seconds) {
  if (seconds <= 0) return "over";
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

// notify shows what the last action came to. action, if given, is a button that goes on from there.
export function notify(kind, code, text, action) {
  const notice = byId("notice");
  notice.hidden = false;
  notice.className = "notice " + kind;
  notice.replaceChildren(element("span", {}, ...(code ? [element("strong", {}, code), " "] : []), text));
  if (action) notice.append(element("button", { type: "button", id: action.id, onclick: action.run }, action.text));
}

export function clearNotice() {
  byId("notice").hidden = true;
}

function tokenCards(client) {
  return TOKENS.filter(([name]) => client.tokens[name]).map(([name, title]) => {
    const token = client.tokens[name];
    const parts = decode(token);
    const card = element("article", { className: "token", id: "card-" + name },
      element("div", { className: "row" }, element("h3", {}, title), copyButton(title, token)));
    if (parts) {
      const verified = client.verified[name];
      card.append(
        element("p", { className: verified ? "badge good" : "badge bad" }, verified ? "signature verified" : "signature wrong"),
        element("pre", {}, JSON.stringify(parts.header)),
        element("pre", {}, claims(parts.payload)));
    } else {
      card.append(element("p", { className: "muted" }, "Opaque: it means something to the server only."));
    }
    card.append(element("details", {}, element("summary", {}, "As sent"), element("pre", { className: "raw" }, token)));
    return card;
  });
}

function copyButton(title, token) {
  const button = element("button", { type: "button", className: "quiet", ariaLabel: "Copy " + title }, "Copy");
  button.onclick = async () => {
    await navigator.clipboard.writeText(token);
    button.textContent = "Copied";
  };
  return button;
}

// claims is a payload as JSON, with the times (RFC 7519 section 2, NumericDate) for people as well.
function claims(payload) {
  return JSON.stringify(payload, null, 2).replace(/^( {2}"(?:exp|iat|auth_time|updated_at)": )(\d+)(,?)$/gm,
    (_, name, seconds, comma) => name + seconds + comma + "  // " + new Date(seconds * 1000).toLocaleString());
}

// logExchange puts a request and its answer on top of the log.
export function logExchange({ name, method, url, headers, form, open, status, answer, challenge, milliseconds }) {
  byId("log-empty").hidden = true;
  const good = typeof status === "number" ? status < 400 : ["redirect", "iframe", "code"].includes(status);
  const what = [method + " " + new URL(url).pathname];
  if (form?.grant_type) what.push(form.grant_type);
  if (milliseconds !== undefined) what.push(Math.round(milliseconds) + " ms");
  const outcome = status + (status >= 400 && answer?.error ? " " + answer.error : "");
  const answered = typeof status === "number" || answer !== undefined;
  byId("log").prepend(element("li", {}, element("details", { open: Boolean(open) },
    element("summary", {},
      element("span", { className: "name" }, name),
      element("span", { className: good ? "badge good" : "badge bad" }, outcome),
      element("span", { className: "path" }, what.join(" · "))),
    element("h3", {}, "Request"), element("pre", {}, requestText(method, url, headers, form)),
    ...(answered ? [element("h3", {}, "Answer"), element("pre", {}, answerText(status, challenge, answer))] : []))));
  while (byId("log").children.length > KEPT) byId("log").lastElementChild.remove();
}

export function clearLog() {
  byId("log").replaceChildren();
  byId("log-empty").hidden = false;
}

function requestText(method, url, headers, form) {
  const { origin, pathname, searchParams } = new URL(url);
  const lines = [method + " " + origin + pathname];
  lines.push(...pairs([...searchParams], "?"));
  for (const [name, value] of Object.entries(headers || {})) lines.push(name + ": " + shortened(value));
  if (form) lines.push("", ...pairs(Object.entries(form), ""));
  return lines.join("\n");
}

// pairs shows parameters one a line, as they are before they are percent-encoded.
function pairs(entries, first) {
  return entries.map(([name, value], i) => "  " + (i ? "&" : first) + name + "=" + shortened(value));
}

function answerText(status, challenge, answer) {
  const lines = [typeof status === "number" ? "HTTP " + status : String(status)];
  if (challenge) lines.push("WWW-Authenticate: " + challenge);
  if (answer !== undefined) {
    lines.push("", typeof answer === "string" ? answer : JSON.stringify(answer, (_, value) => shortened(value), 2));
  }
  return lines.join("\n");
}

function shortened(value) {
  return typeof value === "string" && value.length > LONG ? value.slice(0, 40) + "…" + value.slice(-8) : value;
}

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
