// The page: a menu of the routes that this user may see, and what is behind them. auth.js signs the
// user in, session.js watches the session. What may be seen is decided by the API, for each request,
// by the token; the menu only leaves out what would be refused.
import { call, ownURL, server, signIn, signOut, SignInNeeded, start } from "./auth.js";
import { config } from "./config.js";
import { followSession } from "./session.js";

const $ = (id) => document.getElementById(id);
const api = config.apis[0];
const routes = [
  { path: "/orders", name: "Orders", load: () => json(api + "/orders") },
  { path: "/admin", name: "Admin", role: "admin", load: () => json(api + "/admin") },
];

async function main() {
  $("sign-in").addEventListener("click", () => signIn().catch(explain));
  $("sign-out").addEventListener("click", () => signOut().catch(explain));
  addEventListener("tokens", () => draw().catch(explain)); // another tab signed in or out
  try {
    const signedIn = await start();
    if (signedIn) followSession({ warn, ended: () => explain(new SignInNeeded()) });
    if (location.pathname === "/login") { // /login?returnUrl=/orders, for links from elsewhere
      const returnTo = ownURL(new URLSearchParams(location.search).get("returnUrl"));
      return signedIn ? location.replace(returnTo) : await signIn(returnTo);
    }
    await draw();
  } catch (error) {
    explain(error);
  }
}

// draw shows who is signed in, their menu, and the route of the address bar.
async function draw() {
  const user = await json((await server()).userinfo_endpoint);
  const visible = routes.filter(({ role }) => !role || user.roles?.includes(role));
  menu(visible);
  $("user").textContent = user.name ?? user.preferred_username ?? user.sub;
  $("sign-in").hidden = true;
  $("sign-out").hidden = false;
  const route = visible.find(({ path }) => path === location.pathname);
  show(route ? JSON.stringify(await route.load(), null, 2) : "Choose from the menu.");
}

function menu(visible) {
  $("nav").replaceChildren(...[{ path: "/", name: "Home" }, ...visible].map(({ path, name }) =>
    Object.assign(document.createElement("a"), { href: path, textContent: name })));
}

async function json(url) {
  const answer = await call(url);
  if (answer.ok) return answer.json();
  const { error_description } = await answer.json().catch(() => ({}));
  throw new Error(error_description ?? "status " + answer.status);
}

function explain(error) {
  if (error instanceof SignInNeeded) {
    $("sign-in").hidden = false;
    $("sign-out").hidden = true;
    $("user").textContent = "";
    menu([]);
    warn(null);
    show("You are signed out.");
  } else if (error.error === "access_denied") {
    $("sign-in").hidden = false;
    show("The sign-in was refused or cancelled.");
  } else {
    $("sign-in").hidden = !$("sign-out").hidden;
    show("That did not work: " + error.message);
  }
}

function warn(ends) {
  $("warning").hidden = ends === null;
  if (ends) $("warning").textContent = `You will be signed out at ${ends.toLocaleTimeString()}. Click or type to stay.`;
}

// show puts text on the page: never innerHTML, so that nothing an API says is markup.
function show(text) {
  $("main").replaceChildren(Object.assign(document.createElement("pre"), { textContent: text }));
}

main();
