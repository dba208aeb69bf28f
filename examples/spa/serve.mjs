// Serves this folder on http://localhost:4200, for development. Whatever serves the app in production
// must do the same two things: answer every path of the app with index.html, so that a deep link and
// /callback work, and send the Content-Security-Policy, so that an injected script has nowhere to
// send a token to.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { config } from "./config.js";

const types = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css" };
const files = ["app.js", "auth.js", "config.js", "session.js", "style.css", "node_modules/oauth4webapi/build/index.js"];
const issuer = new URL(config.issuer).origin;
const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src ${issuer} ${config.apis.join(" ")};`
  + ` frame-src ${issuer} 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'`;
const { PORT = "4200", HOST = "localhost" } = process.env;

createServer(async (request, response) => {
  const path = request.url.split("?")[0].slice(1);
  const name = files.includes(path) ? path : "index.html";
  response.setHeader("Content-Type", types[name.split(".").pop()]);
  response.setHeader("Content-Security-Policy", policy);
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("Cache-Control", "no-cache");
  response.end(await readFile(new URL(name, import.meta.url)));
}).listen(Number(PORT), HOST, () => console.log(`listening on http://${HOST}:${PORT}`));
