// JSON Web Tokens, and the random values and hashes of PKCE, by WebCrypto alone.

// What crypto.subtle calls the algorithms of RFC 7518.
const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

// decode returns header and payload of a JWT, null for anything else. It verifies nothing.
export function decode(token) {
  const parts = (token || "").split(".");
  if (parts.length !== 3) return null;
  try {
    const [header, payload] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
    return { header, payload };
  } catch {
    return null;
  }
}

// find returns the key of a JWKS that a token names, undefined if there is none.
export function find(keys, token) {
  const { header } = decode(token);
  return keys.find((key) => key.kid === header.kid && key.alg === header.alg);
}

// verify tells whether the private half of a JWK has signed the token.
export async function verify(token, jwk) {
  const algorithm = ALGORITHMS[jwk.alg];
  if (!algorithm) return false;
  const { alg, ...material } = jwk; // browsers differ in how they spell EdDSA there
  const key = await crypto.subtle.importKey("jwk", material, algorithm, false, ["verify"]);
  const [header, payload, signature] = token.split(".");
  return crypto.subtle.verify(algorithm, key, bytes(signature), new TextEncoder().encode(header + "." + payload));
}

// random returns 256 bits, as text.
export function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

// s256 is what RFC 7636 section 4.2 makes of a code_verifier: its SHA-256, as text.
export async function s256(text) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

export function base64url(data) {
  return btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}
