// What this app must know of authzd and of its APIs. Nothing here is a secret: a browser app has none.
export const config = {
  issuer: "http://localhost:9010",
  clientID: "spa",
  scope: "openid profile email orders.read orders.write",
  apis: ["http://localhost:8080"], // the only origins that get the access token, beside the issuer
};
