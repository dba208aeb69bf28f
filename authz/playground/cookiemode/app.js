// What the buttons do. session.js has the protocol, view.js the page.
import { Ended, activity, call, logOut, onChange, onExchange, session, signIn, socket } from "./session.js";
import { byId, clearLog, drawClocks, drawOrder, drawOrders, drawSession, logExchange, notify } from "./view.js";

const REPORT_EVERY = 5000; // ms: the server passes on only a twentieth of the limit anyway
const POLL_EVERY = 5000;

let current = { active: false };
let open = null; // the WebSocket
let reported = 0;
let reporting = null; // the last report, which may be under way

onExchange(logExchange);
onChange(() => look().catch(() => {})); // without a network, the page stays as it is

// look asks whether somebody is signed in, and shows it.
async function look() {
  show(await session());
}

function show(session) {
  current = session;
  drawSession(session);
  if (!session.active) {
    open?.close();
    drawOrders([]);
  }
}

// act runs what a button does.
function act(id, work) {
  const button = byId(id);
  button.addEventListener("click", async () => {
    button.ariaBusy = "true";
    notify("");
    try {
      await work();
    } catch (error) {
      if (error instanceof Ended) {
        notify("The session has ended.");
        await look();
      } else {
        notify(String(error.message ?? error), "bad");
      }
    } finally {
      button.ariaBusy = "false";
    }
  });
}

async function listOrders() {
  const answer = await call("/api/orders");
  if (!answer.ok) throw new Error("The API says " + answer.status + ".");
  const orders = await answer.json();
  drawOrders(orders);
  return orders;
}

async function change(method) {
  const answer = await call("/api/orders", { method });
  if (!answer.ok) throw new Error("The API says " + answer.status + ".");
  await listOrders();
}

async function openSocket() {
  open?.close();
  const mine = (open = await socket("/api/events"));
  const state = (text) => mine === open && (byId("socket").textContent = text);
  state("opening");
  mine.onopen = () => state("open");
  mine.onmessage = ({ data }) => logExchange("socket", "/api/events", "message", data);
  mine.onclose = ({ code }) => {
    state("closed " + code);
    logExchange("socket", "/api/events", "closed " + code, "");
    look().catch(() => {}); // a handshake that failed says 1006 only
  };
}

async function report() {
  reported = Date.now();
  reporting = activity();
  show(await reporting);
}

// leave signs out once a report that is under way has ended: it would come to a session that is gone.
async function leave() {
  await reporting?.catch(() => {});
  await logOut();
}

act("sign-in", () => signIn());
act("logout", leave);
act("call-api", listOrders);
act("place-order", () => change("POST"));
act("clear-orders", () => change("DELETE"));
act("open-socket", openSocket);
act("activity", report);
byId("clear-log").addEventListener("click", clearLog);

// What the user does is activity, and a running timer is not.
for (const event of ["pointerdown", "keydown", "scroll"]) {
  addEventListener(event, () => {
    if (current.active && byId("report").checked && Date.now() - reported > REPORT_EVERY) report();
  }, { passive: true });
}

setInterval(async () => {
  if (!byId("poll").checked || !current.active) return;
  try {
    await look();
    await listOrders();
  } catch (error) {
    if (error instanceof Ended) await look();
  }
}, POLL_EVERY);

setInterval(() => drawClocks(current), 1000);

// A page that needs a user signs in by itself; the start page does not.
const [, deep, id] = location.pathname.match(/^\/(orders)(?:\/(\d+))?$/) ?? [];
await look();
if (deep && !current.active) {
  signIn();
} else {
  if (deep) drawOrder(id, await listOrders().catch(() => []));
  byId("content").ariaBusy = "false";
}
