// What a script adds to a page: passwords are shown in place, and passkeys. form[data-passkey] says what to ask the
// browser for, and takes its answer.
(() => {
  "use strict";

  const link = document.getElementById("show-password"); // without a script it leads to a page with an empty field
  if (link) {
    const fields = [...document.querySelectorAll("input[autocomplete$=-password]")];
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const type = fields[0].type === "text" ? "password" : "text";
      for (const field of fields) field.type = type;
      [link.textContent, link.dataset.other] = [link.dataset.other, link.textContent];
      [link.ariaLabel, link.dataset.otherLabel] = [link.dataset.otherLabel, link.ariaLabel];
    });
    // As text, a browser would offer what was typed the next time.
    fields[0].form.addEventListener("submit", () => { for (const field of fields) field.type = "password"; });
  }

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const supported = !!(window.PublicKeyCredential && navigator.credentials);

  const signals = document.querySelector("[data-passkey-signals]");
  if (signals && supported) {
    const { unknown, accepted, details } = JSON.parse(signals.dataset.passkeySignals);
    const tell = (name, what) => what && PublicKeyCredential[name] && PublicKeyCredential[name](what).catch(() => {});
    tell("signalUnknownCredential", unknown);
    tell("signalAllAcceptedCredentials", accepted);
    tell("signalCurrentUserDetails", details);
  }

  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const ask = JSON.parse(form.dataset.passkey);
  const button = form.querySelector("[data-passkey-ask]");
  const status = document.getElementById("passkey-status");
  let running; // the AbortController of what the browser does now
  let sent = false;

  const say = (name) => {
    status.firstElementChild.textContent = status.dataset[name] || status.dataset.failed;
    status.hidden = false;
  };

  const parse = (options) => {
    const o = JSON.parse(options);
    o.challenge = bytes(o.challenge);
    if (o.user) o.user.id = bytes(o.user.id);
    for (const list of [o.allowCredentials, o.excludeCredentials]) for (const d of list || []) d.id = bytes(d.id);
    return o;
  };

  const encode = (c) => {
    const r = c.response, response = { clientDataJSON: text(r.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) if (r[name]) response[name] = text(r[name]);
    if (r.getTransports) response.transports = r.getTransports();
    return JSON.stringify({
      id: c.id, rawId: text(c.rawId), type: c.type, response,
      authenticatorAttachment: c.authenticatorAttachment || undefined, clientExtensionResults: {},
    });
  };

  const run = async (offer, mediation) => {
    if (running) running.abort();
    const controller = running = new AbortController();
    const credential = await navigator.credentials[ask.kind]({ publicKey: parse(offer.options), signal: controller.signal, mediation });
    if (sent || controller.signal.aborted) throw new DOMException("", "AbortError");
    sent = true;
    form.elements["passkey-ceremony"].value = offer.ceremony;
    form.elements["passkey-answer"].value = encode(credential);
    HTMLFormElement.prototype.submit.call(form);
  };

  button.addEventListener("click", async (event) => {
    event.preventDefault();
    if (sent) return;
    if (!supported) return say("unsupported");
    say("waiting");
    let late = false;
    const timer = setTimeout(() => { late = true; running.abort(); say("late"); }, JSON.parse(ask.options).timeout + 5000);
    try {
      await run(ask);
    } catch (e) {
      if (!late && e.name !== "AbortError") say({ NotAllowedError: "cancelled", NotSupportedError: "unsupported", SecurityError: "address", InvalidStateError: "exists" }[e.name] || "failed");
    }
    clearTimeout(timer);
  });

  if (!supported) return;
  const can = async (name) => {
    try { return await PublicKeyCredential[name](); } catch { return false; }
  };
  (async () => {
    if (ask.kind === "get") {
      if (form.elements["can-passkey"] && await can("isUserVerifyingPlatformAuthenticatorAvailable")) form.elements["can-passkey"].value = "yes";
      if (ask.autofill && await can("isConditionalMediationAvailable") && !running) run(ask, "conditional").catch(() => {});
    } else if (ask.silent && (await can("getClientCapabilities")).conditionalCreate && !running) {
      run(ask.silent, "conditional").catch(() => {});
    }
  })();
})();
