package acceptance

import (
	"strings"
	"sync"
	"testing"
)

// racers is how many requests a racing test sends at once.
const racers = 64

// race calls f in all racers at the same moment and returns their answers.
func race(t *testing.T, f func() (answer, error)) []answer {
	t.Helper()
	var (
		wg      sync.WaitGroup
		start   = make(chan struct{})
		answers = make([]answer, racers)
		errs    = make([]error, racers)
	)
	for i := range racers {
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
	s := startServer(t, "")
	f := mustCode(t, s, newBrowser(t, s))

	var winners []answer
	for _, a := range race(t, f.redeem) {
		if !a.refused() {
			winners = append(winners, a)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d of %d redemptions were not refused, want 1: %v", len(winners), racers, winners)
	}
	won := must(t)(winners[0], nil)
	mustRefuse(t, "the winner's refresh token")(s.refresh(won.RefreshToken))
}

// Many tabs that refresh with the same token agree on its successor. Once the successor has been
// used, the old token can only come from a thief: the family dies, and the log says so.
func TestRaceForOneRefresh(t *testing.T) {
	s := startServer(t, "")
	first := mustSignIn(t, s)

	answers := race(t, func() (answer, error) { return s.refresh(first.RefreshToken) })
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

// Without a grace every second use is theft, and costs the thief and the owner their tokens.
func TestReplayKillsBothSides(t *testing.T) {
	s := startServer(t, "lifetimes: {refresh_grace: 0s}")
	first := mustSignIn(t, s)
	owner := must(t)(s.refresh(first.RefreshToken))
	mustRefuse(t, "the old token")(s.refresh(first.RefreshToken))
	mustRefuse(t, "the owner's token after the replay")(s.refresh(owner.RefreshToken))
}
