package revocation

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Lifetime is how long after its iat a document may be shown by a cache: its exp.
const Lifetime = time.Minute

// MaxDocument is the longest document, in bytes of its compact JWS. An issuer that has more to say uses AllBefore.
const MaxDocument = 4 << 20

// Document is the content of the feed at one moment, or what was added since a cursor.
type Document struct {
	Issuer   string
	IssuedAt int64 // seconds since 1970
	Expires  int64

	Epoch string
	Seq   uint64 // of the last change that is covered
	Delta bool   // it has only what came after From
	From  uint64 // of a delta: complete for a follower whose cursor has at least this Seq

	// Window is how long a follower keeps an entry after it has received it: longer than any token lives that was
	// issued before the entry was written. At least a second, whole seconds.
	Window time.Duration

	Entries   []Entry
	AllBefore int64 // no token with iat <= AllBefore counts; 0: no such rule
}

// Entry says that tokens with an id do not count.
type Entry struct {
	Kind   Kind
	ID     ID
	Before int64 // only tokens with iat <= Before, in seconds since 1970; 0: no token of that id counts
}

// Cursor returns the place after the document.
func (d *Document) Cursor() Cursor { return Cursor{d.Epoch, d.Seq} }

// claims is the JSON of a document. E is the form of the entries of one kind.
type claims[E any] struct {
	Issuer    string       `json:"iss"`
	IssuedAt  int64        `json:"iat"`
	Expires   int64        `json:"exp"`
	Epoch     string       `json:"epoch"`
	Seq       uint64       `json:"seq"`
	From      *uint64      `json:"from,omitempty"`
	Window    int64        `json:"window"`
	Entries   map[string]E `json:"e"`
	AllBefore int64        `json:"all_before,omitempty"`
}

// entries are those of one kind: a list of [id] and [id, before].
type entries []Entry

// Claims returns the JSON that an issuer signs. Equal documents have equal JSON.
func (d *Document) Claims() []byte {
	c := claims[entries]{
		Issuer: d.Issuer, IssuedAt: d.IssuedAt, Expires: d.Expires, Epoch: d.Epoch, Seq: d.Seq,
		Window: int64(d.Window / time.Second), Entries: map[string]entries{}, AllBefore: d.AllBefore,
	}
	if d.Delta {
		c.From = &d.From
	}
	for _, e := range d.Entries {
		kind := string(rune(e.Kind))
		c.Entries[kind] = append(c.Entries[kind], e)
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("revocation: a document that is no JSON: %v", err)) // its types have no such value
	}
	return text
}

// MarshalJSON writes the list without its kind, which is the name of the member.
func (e entries) MarshalJSON() ([]byte, error) {
	text := []byte{'['}
	for i, entry := range e {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, `["`...)
		text = append(text, entry.ID.String()...)
		text = append(text, '"')
		if entry.Before != 0 {
			text = strconv.AppendInt(append(text, ','), entry.Before, 10)
		}
		text = append(text, ']')
	}
	return append(text, ']'), nil
}

func parseEntries(kind Kind, text []byte) ([]Entry, error) {
	var pairs [][]json.RawMessage
	if err := json.Unmarshal(text, &pairs); err != nil || pairs == nil {
		return nil, &FormatError{"malformed entries"}
	}
	list := make([]Entry, 0, len(pairs))
	for _, pair := range pairs {
		entry, ok := parseEntry(pair)
		if !ok {
			return nil, &FormatError{"a malformed entry"}
		}
		entry.Kind = kind
		list = append(list, entry)
	}
	return list, nil
}

func parseEntry(pair []json.RawMessage) (entry Entry, ok bool) {
	if len(pair) == 0 || len(pair) > 2 || len(pair[0]) != idLen+2 || pair[0][0] != '"' {
		return entry, false
	}
	if entry.ID, ok = parseID(bytes.Trim(pair[0], `"`)); !ok || len(pair) == 1 {
		return entry, ok
	}
	err := json.Unmarshal(pair[1], &entry.Before)
	return entry, err == nil && 0 < entry.Before && entry.Before <= maxNumber
}

// Parse reads the claims of a document. It ignores members and kinds that it does not know, so that an issuer may
// add some. It does not look at the clock. The error is a *FormatError.
func Parse(text []byte) (*Document, error) {
	var c claims[json.RawMessage] // so that an unknown kind may have another form
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, &FormatError{"not the JSON of a revocation document"} // the cause would quote it
	}
	d := &Document{
		Issuer: c.Issuer, IssuedAt: c.IssuedAt, Expires: c.Expires, Epoch: c.Epoch, Seq: c.Seq,
		Window: time.Duration(c.Window) * time.Second, AllBefore: c.AllBefore,
	}
	if c.From != nil {
		d.Delta, d.From = true, *c.From
	}
	if problem := c.problem(); problem != "" {
		return nil, &FormatError{problem}
	}
	for _, kind := range Kinds {
		text, found := c.Entries[string(rune(kind))]
		if !found {
			continue
		}
		list, err := parseEntries(kind, text)
		if err != nil {
			return nil, err
		}
		d.Entries = append(d.Entries, list...)
	}
	return d, nil
}

// maxWindow is the longest time that an entry may stay, in seconds: no token lives that long.
const maxWindow = 10 * 365 * 24 * 3600

// problem returns what is wrong with the claims, or "".
func (c *claims[E]) problem() string {
	numbers := []int64{c.IssuedAt, c.Expires, c.AllBefore}
	switch {
	case c.Issuer == "":
		return "iss is missing"
	case slices.ContainsFunc(numbers, func(n int64) bool { return n < 0 || n > maxNumber }):
		return "a time is out of range"
	case c.IssuedAt == 0:
		return "iat is missing"
	case c.Expires < c.IssuedAt:
		return "exp is before iat"
	case !validEpoch(c.Epoch):
		return "epoch is missing or malformed"
	case c.Seq > maxNumber:
		return "seq is out of range"
	case c.From != nil && *c.From > c.Seq:
		return "from is after seq"
	case c.Window < 1 || c.Window > maxWindow:
		return "window is missing or out of range"
	case c.Entries == nil:
		return "e is missing"
	}
	return ""
}

// FormatError says what is wrong with a document. It quotes nothing of it.
type FormatError struct{ Problem string }

func (e *FormatError) Error() string { return "revocation document: " + e.Problem }
