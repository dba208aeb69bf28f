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
// Around the same flow stand the things that only a whole process shows: crashes under load, power
// cuts, disks that fail, restarts, and races over HTTP; and the things that only a real browser shows, in Chromium: the
// pages, the playground, and sign-in through an upstream provider. The import graph and the
// container image's build line are read off the tree.
//
// What needs Node.js, Chromium, user-mode Linux or strace is skipped, and says so, where that is
// missing; with CI=true it fails. With TEST_FULL=1 what goes on for as long as one likes goes on
// for long: a hundred kills, fifty power cuts, half an hour of load.
package acceptance
