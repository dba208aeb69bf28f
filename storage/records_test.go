package storage_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func newStore(t *testing.T) storage.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestKinds writes a record of each kind with every field set, and reads it back in both ways.
func TestKinds(t *testing.T) {
	s := newStore(t)
	tested := []storage.Table{
		roundTrip(t, s, storage.Users),
		roundTrip(t, s, storage.Usernames),
		roundTrip(t, s, storage.Emails),
		roundTrip(t, s, storage.Identities),
		roundTrip(t, s, storage.Sessions),
		roundTrip(t, s, storage.Consents),
		roundTrip(t, s, storage.Codes),
		roundTrip(t, s, storage.Grants),
		roundTrip(t, s, storage.RefreshTokens),
		roundTrip(t, s, storage.AccessTokens),
		roundTrip(t, s, storage.RevokedTokens),
		roundTrip(t, s, storage.SigningKeys),
		roundTrip(t, s, storage.Clients),
		roundTrip(t, s, storage.PushedRequests),
		roundTrip(t, s, storage.DeviceCodes),
		roundTrip(t, s, storage.UserCodes),
		roundTrip(t, s, storage.UserSessions),
		roundTrip(t, s, storage.SessionEnds),
		roundTrip(t, s, storage.Logouts),
		roundTrip(t, s, storage.Marks),
		roundTrip(t, s, storage.ServerSecrets),
		roundTrip(t, s, storage.Leases),
		roundTrip(t, s, storage.LoginFailures),
		roundTrip(t, s, storage.UserGrants),
		roundTrip(t, s, storage.ManagedClients),
		roundTrip(t, s, storage.ClientChanges),
		roundTrip(t, s, storage.UserIdentities),
		roundTrip(t, s, storage.TrustedNetworks),
		roundTrip(t, s, storage.Revocations),
		roundTrip(t, s, storage.FeedStates),
		roundTrip(t, s, storage.Proofs),
		roundTrip(t, s, storage.LiveProofs),
		roundTrip(t, s, storage.Passkeys),
		roundTrip(t, s, storage.TOTPs),
		roundTrip(t, s, storage.RecoveryCodeSets),
		roundTrip(t, s, storage.RememberedDevices),
		roundTrip(t, s, storage.KnownDevices),
		roundTrip(t, s, storage.DeletedUsers),
		roundTrip(t, s, storage.HashKinds),
		roundTrip(t, s, storage.Deliveries),
		roundTrip(t, s, storage.AuditEvents),
		roundTrip(t, s, storage.AuditBlocks),
		roundTrip(t, s, storage.AuditHeads),
		roundTrip(t, s, storage.SecretOrders),
		roundTrip(t, s, storage.Formats),
		roundTrip(t, s, storage.Transfers),
		roundTrip(t, s, storage.BFFSessions),
		roundTrip(t, s, storage.BFFRefs),
		roundTrip(t, s, storage.BFFTickets),
		roundTrip(t, s, storage.BFFHandovers),
	}
	if !reflect.DeepEqual(tested, storage.Tables) {
		t.Errorf("tested %v, tables are %v", tested, storage.Tables)
	}
	for _, table := range storage.Tables {
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(string(table)) {
			t.Errorf("table name %q", table)
		}
	}
}

func roundTrip[T any](t *testing.T, s storage.Store, kind storage.Kind[T]) storage.Table {
	t.Run(string(kind.Table), func(t *testing.T) {
		if _, _, err := kind.Get(t.Context(), s, "k/1"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("get of nothing: %v", err)
		}
		want := new(T)
		fill(t, reflect.ValueOf(want).Elem())
		expires := time.Now().Add(time.Hour)
		if err := s.Apply(t.Context(),
			kind.Put("k/1", want, storage.Absent, expires), kind.Put("k/2", new(T), storage.Absent, time.Time{})); err != nil {
			t.Fatal(err)
		}
		got, version, err := kind.Get(t.Context(), s, "k/1")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("wrote %+v, read %+v, %v", want, got, err)
		}
		entries, err := kind.Scan(t.Context(), s, "k/", "", 10)
		if err != nil || len(entries) != 2 || entries[0].Key != "k/1" || entries[0].Version != version ||
			entries[1].Key != "k/2" || !reflect.DeepEqual(entries[0].Value, want) {
			t.Errorf("scan: %+v, %v", entries, err)
		}

		var conflict *storage.ConflictError
		if err := s.Apply(t.Context(), kind.Put("k/1", want, storage.Absent, expires)); !errors.As(err, &conflict) {
			t.Errorf("put over a live record: %v", err)
		} else if conflict.Table != kind.Table || conflict.Key != "k/1" || strings.Contains(err.Error(), "k/1") {
			t.Errorf("conflict is %+v, %q; it must name the record in its fields only: keys may be secrets' hashes", conflict, err)
		}
		if err := s.Apply(t.Context(), kind.Delete("k/1", storage.At(version))); err != nil {
			t.Error(err)
		}
		if _, _, err := kind.Get(t.Context(), s, "k/1"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("get after delete: %v", err)
		}
	})
	return kind.Table
}

// TestKindOfOtherData: a record that is not what its table holds is an error, not a zero value.
func TestKindOfOtherData(t *testing.T) {
	s := newStore(t)
	for key, value := range map[string]string{"no JSON": "{", "other JSON": `["a"]`, "other type": `{"id": 7}`} {
		err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: key, Value: []byte(value)})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := storage.Users.Get(t.Context(), s, key); err == nil || !strings.Contains(err.Error(), "decode users record") {
			t.Errorf("get of %s: %v", key, err)
		}
		if _, err := storage.Users.Scan(t.Context(), s, key, "", 1); err == nil {
			t.Errorf("scan of %s: no error", key)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Users.Scan(t.Context(), s, "", "", 1); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("scan of a closed store: %v", err)
	}
}

// fill sets every field, however deep, to something that is not its zero value. A field that the
// record would not keep then shows in TestKinds as soon as it is added.
func fill(t *testing.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2031, 2, 3, 4, 5, 6, 7, time.UTC)))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"sub":"alice"}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text \"<é>\" of " + v.Type().Name())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 << 40)
	case reflect.Uint32:
		v.SetUint(1 << 31)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 1, 0xff})
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a record has a field of type %v, which this test cannot fill", v.Type())
	}
}

// Keys by time sort by time, wherever the times come from.
func TestDueKey(t *testing.T) {
	now := time.Date(2031, 9, 30, 23, 59, 59, 999_999_999, time.UTC)
	east := time.FixedZone("east", 8*3600)
	times := []time.Time{now.Add(-time.Hour), now, now.Add(time.Millisecond).In(east), now.Add(time.Hour), now.AddDate(80, 0, 0)}
	for i, due := range times {
		got, err := storage.DueTime(storage.DueKey(due, "z/z"))
		if err != nil || !got.Equal(due.Truncate(time.Millisecond)) {
			t.Errorf("%v is %v, %v", due, got, err)
		}
		if i > 0 && storage.DueKey(due, "a") <= storage.DueKey(times[i-1], "z") {
			t.Errorf("%v sorts before %v", due, times[i-1])
		}
	}
	if _, err := storage.DueTime("soon/x"); err == nil {
		t.Error("a key without a time has one")
	}
}
