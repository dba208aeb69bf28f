// A key that proves who sends a token (RFC 9449), by WebCrypto. Its private half can be used here but
// not read, by no script: what IndexedDB keeps is the key, not what it is made of.
import { base64url, s256 } from "./jwt.js";

const NAME = "dpop"; // of the key in its store
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" }; // ES256

export class Key {
  #pair;
  #jwk;

  constructor(pair, jwk) {
    this.#pair = pair;
    this.#jwk = jwk;
  }

  // own returns the key of this app in this browser, made when it is first asked for.
  static async own() {
    let pair = await keys("readonly", (store) => store.get(NAME));
    if (!pair) {
      const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
      await keys("readwrite", (store) => store.add(made, NAME)).catch(() => {}); // another tab was faster
      pair = await keys("readonly", (store) => store.get(NAME));
    }
    const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    return new Key(pair, { crv, kty, x, y }); // the members of a thumbprint, in their order
  }

  // thumbprint is RFC 7638: what tokens and codes are bound to.
  thumbprint() {
    return s256(JSON.stringify(this.#jwk));
  }

  // proof is good for one request. token is what is sent with it, nonce what the server asked for.
  async proof(method, url, token, nonce) {
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.#jwk };
    const claims = { jti: crypto.randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), nonce };
    if (token) claims.ath = await s256(token);
    const input = encode(header) + "." + encode(claims);
    const signature = await crypto.subtle.sign(SIGNATURE, this.#pair.privateKey, new TextEncoder().encode(input));
    return input + "." + base64url(new Uint8Array(signature));
  }
}

function encode(value) {
  return base64url(new TextEncoder().encode(JSON.stringify(value)));
}

// keys asks the store one thing.
function keys(mode, ask) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("authzd-playground", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("keys", mode);
      const answer = ask(transaction.objectStore("keys"));
      transaction.oncomplete = () => resolve(answer.result);
      transaction.onabort = () => reject(answer.error);
    };
  });
}
