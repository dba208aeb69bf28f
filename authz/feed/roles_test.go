package feed_test

import (
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/users"
)

// TestFreshTokenCounts: after a change of roles the first refresh brings a token that has the new roles, and that an
// API accepts which knows of the change, although both may happen in one second. It waits for that second's end at most.
func TestFreshTokenCounts(t *testing.T) {
	t.Parallel()
	var everybody []users.User
	for i := range many(24, 1000) {
		everybody = append(everybody, users.User{Username: fmt.Sprint("user", i), Password: authztest.Password, Roles: []string{"admin"}})
	}
	s := authztest.Start(t, authz.Config{Users: everybody, Operator: &operator.Config{}}, nil)
	old := make([]authztest.Tokens, len(everybody))
	each(len(everybody), func(i int) {
		b := s.NewBrowser(t)
		b.Username = everybody[i].Username
		old[i] = b.SignIn(t, authztest.SPA, url.Values{"scope": {"openid offline_access orders.read"}})
	})
	fresh := make([]authztest.Tokens, len(everybody))
	each(len(everybody), func(i int) {
		sub := blackbox.Claims(t, old[i].AccessToken)["sub"].(string)
		operate(t, s, "PATCH", "/v1/users/"+sub, `{"roles":["clerk"]}`)
		began := time.Now()
		fresh[i] = s.Token(t, authztest.SPA, "", authztest.RefreshForm(old[i].RefreshToken))
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the refresh took %v", took)
		}
	})
	f := follow(t, s)
	for i := range everybody {
		f.until(t, old[i].AccessToken)
		if f.ended(t, fresh[i].AccessToken) {
			t.Errorf("user %d: the fresh token has ended too", i)
		}
		if roles, _ := blackbox.Claims(t, fresh[i].AccessToken)["roles"].([]any); !slices.Equal(roles, []any{"clerk"}) {
			t.Errorf("user %d: the fresh token has the roles %v", i, roles)
		}
	}
}

// each calls fn for 0 to n-1, eight at a time.
func each(n int, fn func(i int)) {
	var workers sync.WaitGroup
	next := make(chan int)
	for range 8 {
		workers.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}
