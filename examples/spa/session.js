// Follows the user's session at the server: tells the server that the user does something, warns
// before the session ends, and says when it has ended. The server decides; this only shows it.
//
// With "sessions: {activity: beacon}" in authzd.yaml nothing but this keeps a session alive: a page
// that polls, or refreshes its tokens, while nobody is there does not.
import { call, SignInNeeded } from "./auth.js";
import { config } from "./config.js";

const beaconEvery = 30_000; // milliseconds, well below the idle limit
const warnBefore = 60_000; // milliseconds

/**
 * Calls warn(ends), with a Date, when the session is about to end, warn(null) when it is no longer,
 * and ended() when it has.
 */
export function followSession({ warn, ended }) {
  let lastBeacon = 0;
  let timer;

  // ask tells the server of activity, or only reads the state, which does not count as activity.
  async function ask(method, path) {
    try {
      const answer = await call(config.issuer + path, { method });
      if (!answer.ok) throw new Error("status " + answer.status);
      const state = await answer.json();
      if (!state.active) throw new SignInNeeded();
      plan(new Date(state.idle_expires_at));
    } catch (error) {
      if (error instanceof SignInNeeded) ended();
      else timer = setTimeout(check, beaconEvery); // no answer is no end
    }
  }

  // plan sets the next look at the clock. Another tab may have prolonged the session by then, so the
  // server is asked before the user is warned, and once more when the time is up.
  function plan(ends) {
    clearTimeout(timer);
    const left = ends - Date.now();
    warn(left <= warnBefore ? ends : null);
    if (left <= warnBefore) lastBeacon = 0; // who answers the warning must be heard
    const wait = left <= warnBefore ? left + 1000 : left - warnBefore;
    timer = setTimeout(check, Math.min(wait, 2 ** 31 - 1));
  }

  const check = () => ask("GET", "/session");
  const active = () => {
    if (Date.now() - lastBeacon < beaconEvery) return;
    lastBeacon = Date.now();
    ask("POST", "/session/activity");
  };
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, active, { passive: true });
  check();
}
