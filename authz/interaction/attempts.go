package interaction

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

const (
	upstreamLifetime = 10 * time.Minute // for the login at the upstream
	upstreamCookie   = "-upstream-"
	cookiePart       = 3800 // bytes; browsers drop a cookie over 4096

	// maxAttemptCookies limits the cookies of all attempts of a browser, in bytes. Together with the session's
	// they fit into 8 KiB, the limit that proxies have for a header.
	maxAttemptCookies = 6000
)

// attempt is a login under way at an upstream. It is kept, sealed, in a cookie of this browser. The name of the
// cookie has a hash of the callback's state. A long request needs several cookies.
type attempt struct {
	connect.Attempt
	Flow    flow      `json:"flow"` // names of one letter are the connector's
	Started time.Time `json:"started"`
	Done    bool      `json:"done,omitempty"` // the upstream has answered; a repeated callback goes on with the flow
}

// attemptCookies holds the cookies of one attempt, as a browser sends them.
type attemptCookies struct {
	name    string // without the number of the part
	started int64  // milliseconds since 1970, from the name
	values  []string
}

// size returns how many bytes of a Cookie header they take.
func (c *attemptCookies) size() (n int) {
	for part, value := range c.values {
		n += len(c.part(part)) + len("=; ") + len(value)
	}
	return n
}

// part returns the name of the cookie with part n.
func (c *attemptCookies) part(n int) string { return c.name + "." + strconv.Itoa(n) }

// keepAttempt puts an attempt into as many cookies as it needs. If all cookies together are too long, it deletes
// those of the oldest attempts, because a proxy would refuse the header.
func (in *Interaction) keepAttempt(w http.ResponseWriter, r *http.Request, a attempt) {
	packed, _ := pack(a) // plain data always encodes
	sealed := base64.RawURLEncoding.EncodeToString(in.Upstream.Seal(packed, nil))
	own := attemptCookies{name: in.attemptName(a.State, a.Started), started: a.Started.UnixMilli()}
	for chunk := range slices.Chunk([]byte(sealed), cookiePart) {
		own.values = append(own.values, string(chunk))
	}
	room, full := maxAttemptCookies-own.size(), false
	for _, other := range in.attemptCookies(r) { // the newest first
		if other.name == own.name { // delete the parts that the attempt no longer has
			for part := len(own.values); part < len(other.values); part++ {
				in.Sessions.SetCookie(w, own.part(part), "", -time.Second)
			}
			continue
		}
		room -= other.size()
		if full = full || room < 0; full {
			in.dropCookies(w, other)
		}
	}
	lifetime := max(a.Started.Add(authorize.CarriedLifetime).Sub(storage.Now()), time.Second) // after a late callback the error page names the app
	for part, value := range own.values {
		in.Sessions.SetCookie(w, own.part(part), value, lifetime)
	}
}

// findAttempt reads the attempt of a state from the cookies. Beside an error it returns the attempt too, as far
// as it can be read.
func (in *Interaction) findAttempt(r *http.Request, state string) (attempt, error) {
	var a attempt
	for _, c := range in.attemptCookies(r) {
		if !strings.HasSuffix(c.name, "-"+stateTag(state)) {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Join(c.values, ""))
		if err != nil {
			return a, err
		}
		packed, err := in.Upstream.Open(raw, nil)
		if err != nil {
			return a, err
		}
		if err := unpack(packed, &a); err != nil {
			return attempt{}, err
		}
		if !a.Done && storage.Now().Sub(a.Started) > upstreamLifetime {
			return a, errors.New("the upstream login took too long")
		}
		return a, nil
	}
	return a, errors.New("no cookie of this sign-in")
}

// finishAttempt notes in the cookies that the upstream has answered, and the state of the flow: the browser may
// send the callback again, by a reload or because it restores its tabs.
func (in *Interaction) finishAttempt(w http.ResponseWriter, r *http.Request, a attempt, f flow) {
	f.Failed = nil
	in.keepAttempt(w, r, attempt{Attempt: connect.Attempt{Connector: a.Connector, State: a.State}, Flow: f, Started: a.Started, Done: true})
}

// attemptCookies returns the attempts of a browser, the newest first.
func (in *Interaction) attemptCookies(r *http.Request) []attemptCookies {
	parts := map[string]map[int]string{}
	for _, c := range r.Cookies() {
		dot := strings.LastIndexByte(c.Name, '.')
		if dot < 0 || !strings.HasPrefix(c.Name, in.Sessions.CookieName(upstreamCookie)) {
			continue
		}
		if n, err := strconv.Atoi(c.Name[dot+1:]); err == nil {
			if parts[c.Name[:dot]] == nil {
				parts[c.Name[:dot]] = map[int]string{}
			}
			parts[c.Name[:dot]][n] = c.Value
		}
	}
	var all []attemptCookies
	for name, values := range parts {
		c := attemptCookies{name: name}
		started, _, _ := strings.Cut(strings.TrimPrefix(name, in.Sessions.CookieName(upstreamCookie)), "-")
		c.started, _ = strconv.ParseInt(started, 36, 64) // 0 for a name that is not ours: the oldest
		for n := range len(values) {
			c.values = append(c.values, values[n])
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b attemptCookies) int {
		return cmp.Or(cmp.Compare(b.started, a.started), strings.Compare(a.name, b.name))
	})
	return all
}

func (in *Interaction) dropCookies(w http.ResponseWriter, c attemptCookies) {
	for part := range c.values {
		in.Sessions.SetCookie(w, c.part(part), "", -time.Second)
	}
}

func (in *Interaction) attemptName(state string, started time.Time) string {
	return in.Sessions.CookieName(upstreamCookie) + strconv.FormatInt(started.UnixMilli(), 36) + "-" + stateTag(state)
}

// stateTag returns the part of a cookie's name that belongs to a state.
func stateTag(state string) string { return oauth.HashToken(state)[:12] }
