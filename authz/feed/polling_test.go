package feed_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// cache keeps the document of a server as long as its header permits, as a proxy does.
type cache struct {
	s       *authztest.Server
	kept    string
	etag    string
	expires time.Time
}

func (c *cache) get(t *testing.T) string {
	t.Helper()
	if time.Now().Before(c.expires) {
		return c.kept
	}
	request, err := http.NewRequest(http.MethodGet, c.s.URL+"/revocations", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.etag != "" {
		request.Header.Set("If-None-Match", c.etag)
	}
	response := c.s.Send(t, request)
	var maxAge int
	if _, err := fmt.Sscanf(response.Header.Get("Cache-Control"), "public, max-age=%d", &maxAge); err != nil {
		t.Fatalf("%d, Cache-Control %q: %v", response.Status, response.Header.Get("Cache-Control"), err)
	}
	switch response.Status {
	case http.StatusOK:
		c.kept, c.etag = response.Body, response.Header.Get("ETag")
	case http.StatusNotModified:
	default:
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	c.expires = time.Now().Add(time.Duration(maxAge) * time.Second)
	return c.kept
}

// TestPollingBehindCache: an API that cannot wait asks a cache each second, and hears of an end within 3 seconds.
func TestPollingBehindCache(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	var mu sync.Mutex
	var delays []time.Duration
	t.Run("APIs", func(t *testing.T) {
		for i := range many(8, 60) {
			offset := rand.N(time.Second)
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				token := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {client.GrantClientCredentials}}).AccessToken
				f, c := follow(t, s), &cache{s: s}
				c.get(t)
				<-time.After(offset) // ends and questions have no common beat
				s.PostForm(t, "/revoke", url.Values{"token": {token}}, http.Header{"Authorization": {blackbox.Basic(authztest.Worker)}})
				began, tick := time.Now(), time.NewTicker(time.Second)
				defer tick.Stop()
				for !f.ended(t, token) {
					if time.Since(began) > time.Duration(many(20, 3))*time.Second {
						t.Fatal("the token counts three seconds after its end")
					}
					<-tick.C
					if err := f.list.Merge(open(t, s, c.get(t)), time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				delays = append(delays, time.Since(began))
			})
		}
	})
	if len(delays) > 0 {
		slices.Sort(delays)
		t.Logf("%d ends, p50 %v, max %v", len(delays), delays[len(delays)/2], delays[len(delays)-1])
	}
}
