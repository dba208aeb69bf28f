// The revocation feed of authzd (docs/revocation-feed.md), followed by long poll: a token that has ended stops to count
// within 2 seconds. The tests run the vectors of authz/revocation/testdata, as those of the Go follower do.
//
//   const feed = new Revocations(ISSUER, keys)   the key set of createRemoteJWKSet
//   feed.follow(url)                             runs until the process ends
//   feed.ended(claims)                           is a token of these claims on the list?
//   feed.age()                                   seconds since the newest document came; above 60 the feed is lost
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { compactVerify } from "jose";

const claimOf = { g: "gid", s: "sid", u: "sub", t: "jti", c: "client_id" };
const algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
const tolerance = 5; // seconds that the clocks of replicas may differ

export const hash = (kind, issuer, id) =>
  createHash("sha256").update(`${kind}\0${issuer}\0${id}`).digest().subarray(0, 16).toString("base64url");

export class Revocations {
  entries = new Map(); // kind and hash -> { before, until }: no token with iat <= before counts
  allBefore = 0;
  cursor = null; // { epoch, seq }
  iat = 0; // of the newest document
  heard = -Infinity;

  constructor(issuer, keys) { Object.assign(this, { issuer, keys }); }

  // open checks signature, type and issuer. It looks at no clock: that of the issuer may be wrong.
  async open(jws) {
    const { payload, protectedHeader: header } = await compactVerify(jws, this.keys, { algorithms });
    const document = JSON.parse(new TextDecoder().decode(payload));
    if (header.typ?.toLowerCase().replace("application/", "") !== "revocations+jwt" || !header.kid) throw new Error("not a feed");
    if (document.iss !== this.issuer || !document.e || !document.epoch || !document.window) throw new Error("not this feed");
    return document;
  }

  // merge adds entries, and never replaces the list. It says "gap" if the whole list must be loaded, "old" if the
  // document proves nothing about now. A time is in milliseconds.
  merge({ iat, epoch, seq, from, window, e, all_before = 0 }, now = performance.now()) {
    for (const [key, { until }] of this.entries) if (until < now) this.entries.delete(key);
    for (const kind of Object.keys(claimOf)) for (const [id, before = Infinity] of e[kind] ?? []) {
      const known = this.entries.get(kind + id) ?? { before: 0, until: 0 };
      const until = now + window * 1000;
      this.entries.set(kind + id, { before: Math.max(before, known.before), until: Math.max(until, known.until) });
    }
    this.allBefore = Math.max(this.allBefore, all_before);
    if (iat < this.iat - tolerance) return "old";
    if (from !== undefined && (epoch !== this.cursor?.epoch || from > this.cursor.seq)) return "gap";
    this.cursor = { epoch, seq: from === undefined ? seq : Math.max(seq, this.cursor.seq) };
    if (iat > this.iat) this.heard = now; // a document that is shown again is no news
    this.iat = Math.max(iat, this.iat);
    return "ok";
  }

  ended(claims) {
    if (claims.iat <= this.allBefore) return true;
    return Object.entries(claimOf).some(([kind, claim]) =>
      claims[claim] && claims.iat <= this.entries.get(kind + hash(kind, this.issuer, claims[claim]))?.before);
  }

  age() { return (performance.now() - this.heard) / 1000; }

  async follow(url) {
    for (let query = "", away = false; ;) {
      const [start, full] = [performance.now(), query === ""];
      try {
        const response = await fetch(url + query, { redirect: "error", signal: AbortSignal.timeout(30_000) });
        if (response.status !== 200) throw new Error("status " + response.status);
        const result = this.merge(await this.open(await response.text()));
        query = result === "gap" ? "" : `?after=${this.cursor.epoch}.${this.cursor.seq}&wait=25`;
        away = false;
        if (full || result === "ok" && performance.now() - start > 200) continue; // the server gathers as long
      } catch (error) {
        if (!away) console.error("the revocation feed is away:", error.message);
        away = true;
        query = query.replace("&wait=25", ""); // is it back?
      }
      await pause(Math.random() * 2000); // not all followers at once
    }
  }
}
