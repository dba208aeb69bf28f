// The vectors of authz/revocation/testdata, which every follower must agree with. Run by node --test.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createLocalJWKSet } from "jose";
import { hash, Revocations } from "./revocations.mjs";

const vectors = JSON.parse(readFileSync(new URL("../../authz/revocation/testdata/vectors.json", import.meta.url)));

test("hashes", () => {
  assert.notEqual(vectors.hashes.length, 0);
  for (const v of vectors.hashes) assert.equal(hash(v.kind, v.issuer, v.id), v.id16, v.id);
});

test("signatures", async () => {
  const feed = new Revocations(vectors.signed.issuer, createLocalJWKSet(vectors.signed.jwks));
  assert.notEqual(vectors.signed.good.length * vectors.signed.bad.length, 0);
  for (const v of vectors.signed.good) assert.deepEqual(await feed.open(v.jws), v.claims, v.name);
  for (const v of vectors.signed.bad) await assert.rejects(feed.open(v.jws), v.name);
});

for (const { name, steps } of vectors.follow.cases) {
  test(name, () => {
    const feed = new Revocations(vectors.follow.issuer);
    steps.forEach(({ at, document, result, cursor, token, ended }, i) => {
      if (token) return assert.equal(feed.ended(token), ended, `step ${i}`);
      assert.equal(feed.merge(document, at * 1000), result, `step ${i}`);
      if (cursor !== undefined) assert.equal(feed.cursor ? `${feed.cursor.epoch}.${feed.cursor.seq}` : "", cursor, `step ${i}`);
    });
  });
}
