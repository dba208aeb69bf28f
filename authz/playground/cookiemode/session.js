// Everything that an app needs to know of cookie mode. The browser sends the cookie by itself: no script sees it, and
// there is no token to keep, to refresh or to lose.

// Other sites cannot send this header: the browser would ask first, and gets no answer.
const OWN = { "X-Authzd-BFF": "1" };

const tabs = new BroadcastChannel("session"); // the tabs of this app

// Ended is thrown by a call that needs a user, when nobody is signed in any more.
export class Ended extends Error {}

// signIn leaves for the sign-in page. The browser comes back to where it is now.
export function signIn(login = "/bff/login") {
  const url = new URL(login, location.origin);
  url.searchParams.set("return_to", location.pathname + location.search);
  location.assign(url);
}

// session is {active: false}, or {active: true, sub, roles, idle_expires_at, expires_at}. To ask keeps nothing alive.
export async function session() {
  return (await send("/bff/session")).json();
}

// call calls an API of this app. If the API demands a fresh or a stronger sign-in, the browser leaves for it.
export async function call(path, options) {
  const answer = await send(path, options);
  if (answer.status !== 401) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (!problem.location) throw new Ended(problem.error);
  signIn(problem.location);
  return new Promise(() => {}); // the page is about to go
}

// activity reports that the user does something: nothing else keeps the session alive. It returns the session.
export async function activity() {
  return (await send("/bff/activity", { method: "POST" })).json();
}

// logOut ends the session, in all tabs, and leaves for the page that says so.
export async function logOut() {
  const answer = await send("/bff/logout", { method: "POST" });
  if (!answer.ok) throw new Error("not signed out: " + answer.status);
  const { location: page } = await answer.json();
  tabs.postMessage("ended");
  location.assign(page);
}

// socket opens a WebSocket of this app. A ticket, good for one socket and half a minute, stands in for the header that
// a script cannot send with it. Code 4401 says that the session has ended.
export async function socket(path) {
  const url = new URL(path, location.origin);
  const answer = await call("/bff/ticket", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ url: url.href }) });
  if (!answer.ok) throw new Error("no ticket: " + answer.status);
  const { protocol } = await answer.json();
  url.protocol = url.protocol.replace("http", "ws");
  return new WebSocket(url, ["orders", protocol]);
}

// onChange calls back when the session may have ended elsewhere: in another tab, or while this page was not to be seen,
// or was kept by the browser to be shown again when the user goes back.
export function onChange(look) {
  tabs.addEventListener("message", look);
  addEventListener("pageshow", ({ persisted }) => persisted && look());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
}

let watch = () => {};

// onExchange is told about every request, to show it.
export function onExchange(shown) {
  watch = shown;
}

async function send(path, options = {}) {
  const method = options.method ?? "GET";
  try {
    const answer = await fetch(path, { ...options, headers: { ...OWN, ...options.headers } });
    watch(method, path, answer.status, await answer.clone().text());
    return answer;
  } catch (error) {
    watch(method, path, "network", String(error));
    throw error;
  }
}
