package acceptance

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"
)

// racers is how many requests a racing test sends at once, at most.
const racers = 64

// race calls f n times at the same moment and returns the answers.
func race(t *testing.T, n int, f func() (answer, error)) []answer {
	t.Helper()
	var (
		wg      sync.WaitGroup
		start   = make(chan struct{})
		answers = make([]answer, n)
		errs    = make([]error, n)
	)
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i], errs[i] = f()
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// A code is redeemed once, however many try; and since somebody else tried, what came of it is
// revoked (RFC 6749 section 4.1.2).
func TestRaceForOneCode(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	s.runRaced(t)
	b := newBrowser(t, s)
	// Among many, some come when the winner has long been answered. Of two, the loser is often
	// one that had read the code before the winner wrote.
	for _, n := range slices.Concat([]int{racers}, slices.Repeat([]int{2}, 20)) {
		f := mustCode(t, s, b)
		var winners []answer
		for _, a := range race(t, n, f.redeem) {
			if !a.refused() {
				winners = append(winners, a)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%d of %d redemptions were not refused, want 1: %v", len(winners), n, winners)
		}
		won := must(t)(winners[0], nil)
		mustRefuse(t, "the winner's refresh token")(s.refresh(won.RefreshToken))
	}
}

// Many tabs that refresh with the same token agree on its successor. Once the successor has been
// used, the old token can only come from a thief: the family dies, and the log says so.
func TestRaceForOneRefresh(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	s.runRaced(t)
	first := mustSignIn(t, s)

	answers := race(t, racers, func() (answer, error) { return s.refresh(first.RefreshToken) })
	successor := answers[0].RefreshToken
	for _, a := range answers {
		must(t)(a, nil)
		if a.RefreshToken != successor {
			t.Fatal("two refreshes with one token gave two successors")
		}
	}
	if successor == first.RefreshToken {
		t.Fatal("the refresh token of a public client was not rotated")
	}

	newest := must(t)(s.refresh(successor))
	mustRefuse(t, "replay of a token whose successor was used")(s.refresh(first.RefreshToken))
	mustRefuse(t, "the newest token after the replay")(s.refresh(newest.RefreshToken))
	if !strings.Contains(s.log(t), "refresh_token_reuse") {
		t.Error("the replay raised no alarm in the log")
	}
}

// The refresh token of a confidential client stays the same, and the many threads of a backend may
// all use it at once.
func TestRaceForOneConfidentialRefresh(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	s.runRaced(t)
	c := newGoClient(t, s, "web-post")
	l := c.signIn(t, newBrowser(t, s))
	token, err := c.Exchange(t.Context(), l.code, oauth2.VerifierOption(l.verifier))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range race(t, racers, func() (answer, error) {
		return s.token(url.Values{
			"grant_type":    {"refresh_token"},
			"client_id":     {c.ClientID},
			"client_secret": {c.ClientSecret},
			"refresh_token": {token.RefreshToken},
		})
	}) {
		must(t)(a, nil)
		if a.RefreshToken != token.RefreshToken {
			t.Fatal("the refresh token of a confidential client was rotated")
		}
	}
}

// Without a grace every second use is theft, and costs the thief and the owner their tokens.
func TestReplayKillsBothSides(t *testing.T) {
	t.Parallel()
	s := startServer(t, "lifetimes: {refresh_grace: 0s}")
	first := mustSignIn(t, s)
	owner := must(t)(s.refresh(first.RefreshToken))
	mustRefuse(t, "the old token")(s.refresh(first.RefreshToken))
	mustRefuse(t, "the owner's token after the replay")(s.refresh(owner.RefreshToken))
}
