package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// written returns what Put would have stored.
func written(t *testing.T, w storage.Write) (line string, e Event) {
	t.Helper()
	if w.Table != storage.AuditEvents.Table || w.If != storage.Absent || !w.Expires.IsZero() {
		t.Fatalf("write is %+v", w)
	}
	var record storage.AuditEvent
	if err := json.Unmarshal(w.Value, &record); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(record.Line), &e); err != nil {
		t.Fatalf("line %s: %v", record.Line, err)
	}
	return record.Line, e
}

// TestPutLeaksNothing: no event contains a credential, a line break or a terminal escape, or exceeds a block,
// with any input.
func TestPutLeaksNothing(t *testing.T) {
	log := New(Config{MAC: macUnder("k")})
	huge := strings.Repeat("\x00\u202e<\"", 16<<10) // 64 KiB and more, each character of it escaped
	hostile := map[string]string{"huge": huge, "injected": "x\"}\n{\"type\":\"user.signed_in\"}\r\n"}
	for i := range 100 {
		hostile[fmt.Sprintf("z%03d", i)] = huge
	}
	for name, e := range map[string]Event{
		"tokens":  {ClientID: "azr_stolen", UserID: "eyJhbGciOiJub25lIn0.e30.", Details: map[string]string{"scope": "client_secret=hunter2 azc_hunter2"}},
		"hostile": {ClientID: huge, UserID: huge, GrantID: huge, SessionID: huge, Actor: Actor{ByClient, huge}, Details: hostile},
	} {
		line, _ := written(t, log.Put(t.Context(), e))
		for _, bad := range []string{"azr_", "azc_", "eyJ", "hunter2", "\n", "\r", "\x00", "\u202e"} {
			if strings.Contains(line, bad) {
				t.Errorf("%s: the line has %q: %.200s", name, bad, line)
			}
		}
		if len(line) > maxLine {
			t.Errorf("%s: the line has %d bytes", name, len(line))
		}
	}
}

// TestPutOrder: events of one process sort as they happened.
func TestPutOrder(t *testing.T) {
	log := New(Config{MAC: macUnder("k")})
	last := ""
	for range 10_000 {
		w := log.Put(t.Context(), Event{Type: SignedIn})
		if w.Key <= last {
			t.Fatalf("%s after %s", w.Key, last)
		}
		last = w.Key
	}
}

func TestPut(t *testing.T) {
	store := newStore(t)
	log := New(Config{MAC: macUnder("k")})
	before := time.Now().Add(-time.Millisecond)
	w := log.Put(t.Context(), Event{Type: GrantIssued, Outcome: Success, Actor: Actor{ByUser, "u1"}, ClientID: "spa", UserID: "u1", GrantID: "g1", SessionID: "s1",
		Details: map[string]string{"grant_type": "authorization_code"}})
	if err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	line, e := written(t, w)
	if e.ID != w.Key || e.Time.Before(before) || e.Time.After(time.Now()) || e.Time.Location() != time.UTC {
		t.Errorf("id %s, key %s, time %v", e.ID, w.Key, e.Time)
	}
	want := fmt.Sprintf(`{"id":%q,"time":%q,"type":"grant.issued","outcome":"success","actor":{"kind":"user","id":"u1"},`+
		`"client_id":"spa","user_id":"u1","gid":"g1","sid":"s1","details":{"grant_type":"authorization_code"}}`, e.ID, e.Time.Format(time.RFC3339Nano))
	if line != want {
		t.Errorf("line is\n%s\nwant\n%s", line, want)
	}
}
