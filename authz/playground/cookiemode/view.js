// What the app shows. Everything is put in as text: nothing that a server says is markup.
const KEPT = 100; // requests in the log

export const byId = (id) => document.getElementById(id);

export function drawSession(session) {
  byId("status").textContent = session.active ? "Signed in" : "Signed out";
  byId("status").classList.toggle("good", session.active);
  const had = byId("signed-in").contains(document.activeElement);
  byId("signed-in").hidden = !session.active;
  byId("signed-out").hidden = session.active;
  if (had && !session.active) byId("sign-in").focus();
  byId("who").textContent = session.active ? [session.sub, ...(session.roles ?? [])].join(", ") : "";
  drawClocks(session);
}

// drawClocks shows how much time is left. A session that ends within two minutes is worth a warning.
export function drawClocks(session) {
  for (const [id, time] of [["idle-left", session.idle_expires_at], ["session-left", session.expires_at]]) {
    const seconds = Math.round((Date.parse(time) - Date.now()) / 1000);
    byId(id).textContent = time ? left(seconds) : "–";
    byId(id).classList.toggle("bad", Boolean(time) && seconds < 120);
  }
}

function left(seconds) {
  if (seconds <= 0) return "over";
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

export function drawOrders(orders) {
  byId("orders").replaceChildren(...orders.map(({ id, item }) =>
    element("li", {}, element("a", { href: "/orders/" + id }, id), " ", item)));
}

// drawOrder shows the order that the address names.
export function drawOrder(id, orders) {
  const found = orders.find((order) => order.id === id);
  byId("order").hidden = !id;
  byId("order").textContent = id ? "Order " + id + ": " + (found ? found.item : "not yours, or not there") : "";
}

// notify shows what the last action came to; "" shows nothing.
export function notify(text, kind = "") {
  byId("notice").hidden = !text;
  byId("notice").className = "notice " + kind;
  byId("notice").textContent = text;
}

// logExchange puts a request and its answer on top of the log.
export function logExchange(method, path, status, body) {
  byId("log-empty").hidden = true;
  const good = typeof status === "number" ? status < 400 : status === "message";
  byId("log").prepend(element("li", {},
    element("div", { className: "row" },
      element("span", { className: "name" }, method + " " + path),
      element("span", { className: good ? "badge good" : "badge bad" }, String(status))),
    ...(body ? [element("pre", {}, body.slice(0, 600).trim())] : [])));
  while (byId("log").children.length > KEPT) byId("log").lastElementChild.remove();
}

export function clearLog() {
  byId("log").replaceChildren();
  byId("log-empty").hidden = false;
}

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
