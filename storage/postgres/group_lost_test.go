package postgres

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/storage"
)

// TestGroupLosesConnection: a connection that breaks before a group arrives, or after it was committed and
// before that is known, costs no member its answer, and nothing is made twice.
func TestGroupLosesConnection(t *testing.T) {
	for name, arrives := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			s, trips := openGrouping(t, func(conn net.Conn) net.Conn { return &fragile{Conn: conn, armed: &armed, arrives: arrives} })
			if err := s.Apply(t.Context(), write("old", storage.Any), write("gone", storage.Any)); err != nil {
				t.Fatal(err)
			}
			versions := make(map[string]uint64)
			for _, rec := range scan(t, s) {
				versions[rec.Key] = rec.Version
			}
			sets := [][]storage.Write{
				{write("old", storage.At(versions["old"])), write("new", storage.Absent)},
				{write("absent", storage.Absent)},
				{write("any", storage.Any), write("other", storage.Any)},
				{{Table: storage.Codes.Table, Key: "gone", If: storage.At(versions["gone"])}, write("successor", storage.Absent)},
			}
			if name == "before" { // statements are prepared, in groups of the same shape
				together(t, s, trips, []storage.Write{write("x", storage.At(1)), write("y", storage.Absent)}, []storage.Write{write("z", storage.Any)})
			}
			armed.Store(true)
			for i, err := range together(t, s, trips, sets...) {
				if err != nil {
					t.Errorf("member %d: %v", i, err)
				}
			}
			if armed.Load() {
				t.Error("no connection was lost, so nothing was tested")
			}
			found := make(map[string]bool)
			for _, rec := range scan(t, s) {
				found[rec.Key] = true
			}
			if found["gone"] {
				t.Error("a record was not removed")
			}
			for _, key := range strings.Fields("old new absent any other successor") {
				if !found[key] {
					t.Errorf("%q is missing", key)
				}
			}
		})
	}
}

// fragile breaks once, when a whole group is written to it.
type fragile struct {
	net.Conn
	armed   *atomic.Bool
	arrives bool
	broken  atomic.Bool
}

func (c *fragile) Write(b []byte) (int, error) {
	if !strings.Contains(string(b), "successor") || !strings.Contains(string(b), "absent") || !c.armed.Swap(false) {
		return c.Conn.Write(b)
	}
	if !c.arrives {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	c.broken.Store(true)
	return c.Conn.Write(b)
}

func (c *fragile) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.broken.Load() { // the answer, which nobody will hear
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}
