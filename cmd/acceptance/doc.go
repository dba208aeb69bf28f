// Package acceptance tests the authzd binary from the outside, the way its users meet it: a
// configuration file, a process, HTTP, signals. It holds tests only, and knows nothing of the
// packages that the binary is made of.
//
//	go build ─> authzd.yaml in a new folder ─> authzd serve ─> /readyz
//	                                                             │
//	  a relying party that we did not write  ── /authorize ──────┤
//	  (x/oauth2 + go-oidc, openid-client, jose)                  │
//	                                                             ▼
//	  a browser without scripts fills the sign-in and consent forms ─> callback ─> /token, /userinfo …
//
// Further tests need a whole process: crashes under load, power cuts, failing disks, restarts, and races over HTTP.
// Others need a real browser, Chromium: the pages, the playground, and sign-in through an upstream provider.
//
// If Node.js, Chromium, user-mode Linux or strace is missing, the tests that need it are skipped with a message; with
// CI=true they fail. With TEST_FULL=1 the repeated tests run long: a hundred kills, fifty power cuts, half an hour of
// load.
package acceptance
