package bearer

import (
	"testing"
)

func TestRFC8693Section4_1_Actors(t *testing.T) {
	v := newIssuer().verifier(t)
	act := object{"sub": "worker", "client_id": "worker", "act": object{"sub": "gateway", "iss": "https://other.example"}}
	p, err := v.Verify(t.Context(), token(header(), goodClaims().with("act", act)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Subject != "alice" || p.Actor == nil || p.Actor.Subject != "worker" || p.Actor.ClientID != "worker" ||
		p.Actor.Actor.Subject != "gateway" || p.Actor.Actor.Issuer != "https://other.example" || p.Actor.Actor.Actor != nil {
		t.Errorf("principal %+v, actor %+v", p, p.Actor)
	}
	if p, err := v.Verify(t.Context(), goodToken()); err != nil || p.Actor != nil {
		t.Errorf("actor %+v, %v", p.Actor, err)
	}
	for name, act := range map[string]any{"a string": "worker", "a list": []any{act}, "sub a number": object{"sub": 1}} {
		if _, err := v.Verify(t.Context(), token(header(), goodClaims().with("act", act))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRFC9396Section9_1_AuthorizationDetails(t *testing.T) {
	v := newIssuer().verifier(t)
	details := []any{
		object{"type": "payment", "actions": []string{"initiate"}, "locations": []string{testAudience}, "amount": object{"value": "12.50"}},
		object{"type": "account", "identifier": "1", "datatypes": []string{"balance"}, "privileges": []string{"owner"}},
	}
	p, err := v.Verify(t.Context(), token(header(), goodClaims().with("authorization_details", details)))
	if err != nil || len(p.AuthorizationDetails) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	payment, account := p.AuthorizationDetails[0], p.AuthorizationDetails[1]
	var more struct{ Amount struct{ Value string } }
	if err := payment.Decode(&more); err != nil || more.Amount.Value != "12.50" || payment.Type != "payment" ||
		payment.Actions[0] != "initiate" || payment.Locations[0] != testAudience {
		t.Errorf("%+v, %+v, %v", payment, more, err)
	}
	if account.Identifier != "1" || account.DataTypes[0] != "balance" || account.Privileges[0] != "owner" {
		t.Errorf("%+v", account)
	}
	for name, details := range map[string]any{
		"an object": object{"type": "x"}, "no type": []any{object{}}, "type a number": []any{object{"type": 1}},
		"a string": "x", "a list of strings": []any{"x"}, "a null": []any{nil}, "actions a string": []any{object{"type": "x", "actions": "y"}},
	} {
		if _, err := v.Verify(t.Context(), token(header(), goodClaims().with("authorization_details", details))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
