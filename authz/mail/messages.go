package mail

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/authzd/authzd/templates"
)

// Message is what a mail says: a value of one of the types below. A Link is a path below the issuer, with its query.
type Message interface {
	// name is the message in the store, in the log, and in the keys of its texts.
	name() string
	letter() templates.Letter
}

// Proof is a link that works once, and a code to type where it was asked for.
type Proof struct {
	Link      string    `json:"link"`
	Until     time.Time `json:"until"`
	Code      string    `json:"code,omitempty"`
	CodeUntil time.Time `json:"code_until,omitzero"`
}

func (p Proof) letter() templates.Letter {
	l := templates.Letter{Link: p.Link, Until: p.Until}
	if p.Code != "" {
		l.Code, l.CodeUntil = p.Code, p.CodeUntil
	}
	return l
}

// Where is from where something was done.
type Where struct {
	Browser string    `json:"browser,omitempty"` // such as Chrome
	System  string    `json:"system,omitempty"`  // such as Windows
	Address string    `json:"address,omitempty"` // of the network
	At      time.Time `json:"at,omitzero"`
}

func (w Where) facts() (facts []templates.Fact) {
	for _, f := range []templates.Fact{{Name: "browser", Value: clean(w.Browser)}, {Name: "system", Value: clean(w.System)}, {Name: "address", Value: clean(w.Address)}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	if !w.At.IsZero() {
		facts = append(facts, templates.Fact{Name: "time", At: w.At})
	}
	return facts
}

// The messages. Proof and Where are as above; Link leads to where the person can undo or end what they did not do.
type (
	// Test is what an operator sends to see whether mails arrive.
	Test struct{}

	// ProveAddress goes to the address that a new account gives.
	ProveAddress struct{ Proof }
	// AlreadyRegistered goes to an address that has an account, if somebody gives it for a new one. Link: /login.
	AlreadyRegistered struct {
		Link string `json:"link"`
	}
	// Invite goes to somebody whom an operator lets register.
	Invite struct{ Proof }
	// ResetPassword goes to a user who has asked for a new password.
	ResetPassword struct{ Proof }
	// OperatorReset is a link to a new password that an operator sends.
	OperatorReset struct{ Proof }
	// NoPassword goes to a user who has asked for a new password, and has none. Ways are names, such as Google. Link:
	// /login.
	NoPassword struct {
		Ways string `json:"ways"`
		Link string `json:"link"`
	}
	// NewAddress goes to the address that a user wants to have.
	NewAddress struct{ Proof }
	// AddressChanging goes to the address that a user had until now. Link stops the change.
	AddressChanging struct {
		New  string `json:"new"`
		Link string `json:"link,omitempty"`
		Where
	}
	// AddressChanged goes to the address that a user had until now.
	AddressChanged struct {
		New string `json:"new"`
	}

	// PasswordChanged says that there is a new password. Link: /reset.
	PasswordChanged struct {
		Link string `json:"link,omitempty"`
		Where
	}
	// PasswordDisabled says that the password was switched off after too many wrong ones. Link: /reset.
	PasswordDisabled struct {
		Link string `json:"link,omitempty"`
		Where
	}
	// NewDevice says that somebody signed in in a browser that was not known. Link ends that session.
	NewDevice struct {
		Link string `json:"link"`
		Where
	}

	// PasskeyAdded says that there is another passkey. Link: /account.
	PasskeyAdded struct {
		Name string `json:"name"`
		Link string `json:"link"`
		Where
	}
	// PasskeyRemoved says that a passkey is gone. Link: /account.
	PasskeyRemoved struct {
		Name string `json:"name"`
		Link string `json:"link"`
		Where
	}
	// AuthenticatorAdded says that codes of an app are asked for. Link: /account.
	AuthenticatorAdded struct {
		Link string `json:"link"`
		Where
	}
	// AuthenticatorRemoved says that codes of an app are no longer asked for. Link: /account.
	AuthenticatorRemoved struct {
		Link string `json:"link"`
		Where
	}
	// RecoveryCodesMade says that there are new recovery codes. Link: /account.
	RecoveryCodesMade struct {
		Link string `json:"link"`
		Where
	}
	// RecoveryCodeUsed says that one of the recovery codes was used. Link: /account.
	RecoveryCodeUsed struct {
		Left int    `json:"left"`
		Link string `json:"link"`
		Where
	}
	// AuthenticatorLocked says that wrong codes have ended the authenticator app. Link: /reset.
	AuthenticatorLocked struct {
		Link string `json:"link"`
		Where
	}
	// RecoveryCodesLocked says that wrong codes have ended the recovery codes. Link: /reset.
	RecoveryCodesLocked struct {
		Link string `json:"link"`
		Where
	}
	// FactorsReset says that an operator removed the factors. Link: /account.
	FactorsReset struct {
		Link string `json:"link"`
		Where
	}
	// PasskeysReset says that an operator removed the factors and the passkeys. Link: /account.
	PasskeysReset struct {
		Link string `json:"link"`
		Where
	}

	// AccountLinked says that a connector can sign in. Account is the name or address there. Link: /account.
	AccountLinked struct {
		Connector string `json:"connector"` // its name
		Account   string `json:"account"`
		Link      string `json:"link"`
		Where
	}
	// AccountUnlinked says that a connector can't sign in any more. Link: /account.
	AccountUnlinked struct {
		Connector string `json:"connector"` // its name
		Link      string `json:"link"`
		Where
	}
	// AccountDeleted is the last mail about an account.
	AccountDeleted struct{ Where }
)

func (Test) name() string                 { return "test" }
func (ProveAddress) name() string         { return "prove_address" }
func (AlreadyRegistered) name() string    { return "already_registered" }
func (Invite) name() string               { return "invite" }
func (ResetPassword) name() string        { return "reset_password" }
func (OperatorReset) name() string        { return "operator_reset" }
func (NoPassword) name() string           { return "no_password" }
func (NewAddress) name() string           { return "new_address" }
func (AddressChanging) name() string      { return "address_changing" }
func (AddressChanged) name() string       { return "address_changed" }
func (PasswordChanged) name() string      { return "password_changed" }
func (PasswordDisabled) name() string     { return "password_disabled" }
func (NewDevice) name() string            { return "new_device" }
func (PasskeyAdded) name() string         { return "passkey_added" }
func (PasskeyRemoved) name() string       { return "passkey_removed" }
func (AuthenticatorAdded) name() string   { return "authenticator_added" }
func (AuthenticatorRemoved) name() string { return "authenticator_removed" }
func (RecoveryCodesMade) name() string    { return "recovery_codes_made" }
func (RecoveryCodeUsed) name() string     { return "recovery_code_used" }
func (AuthenticatorLocked) name() string  { return "authenticator_locked" }
func (RecoveryCodesLocked) name() string  { return "recovery_codes_locked" }
func (FactorsReset) name() string         { return "factors_reset" }
func (PasskeysReset) name() string        { return "passkeys_reset" }
func (AccountLinked) name() string        { return "account_linked" }
func (AccountUnlinked) name() string      { return "account_unlinked" }
func (AccountDeleted) name() string       { return "account_deleted" }

// messages has a value of each type.
var messages = []Message{
	Test{}, ProveAddress{}, AlreadyRegistered{}, Invite{}, ResetPassword{}, OperatorReset{}, NoPassword{}, NewAddress{},
	AddressChanging{}, AddressChanged{}, PasswordChanged{}, PasswordDisabled{}, NewDevice{}, PasskeyAdded{}, PasskeyRemoved{},
	AuthenticatorAdded{}, AuthenticatorRemoved{}, RecoveryCodesMade{}, RecoveryCodeUsed{}, AuthenticatorLocked{}, RecoveryCodesLocked{},
	FactorsReset{}, PasskeysReset{}, AccountLinked{}, AccountUnlinked{}, AccountDeleted{},
}

// notice is a letter about something that was done.
func notice(link string, w Where, values ...string) templates.Letter {
	for i := 1; i < len(values); i += 2 {
		values[i] = clean(values[i])
	}
	return templates.Letter{Link: link, Facts: w.facts(), Values: values}
}

func (Test) letter() templates.Letter                { return templates.Letter{} }
func (m AlreadyRegistered) letter() templates.Letter { return notice(m.Link, Where{}) }
func (m NoPassword) letter() templates.Letter        { return notice(m.Link, Where{}, "ways", m.Ways) }
func (m AddressChanging) letter() templates.Letter   { return notice(m.Link, m.Where, "address", m.New) }
func (m AddressChanged) letter() templates.Letter    { return notice("", Where{}, "address", m.New) }
func (m PasswordChanged) letter() templates.Letter   { return notice(m.Link, m.Where) }
func (m PasswordDisabled) letter() templates.Letter  { return notice(m.Link, m.Where) }
func (m NewDevice) letter() templates.Letter         { return notice(m.Link, m.Where) }
func (m PasskeyAdded) letter() templates.Letter      { return notice(m.Link, m.Where, "name", m.Name) }
func (m PasskeyRemoved) letter() templates.Letter    { return notice(m.Link, m.Where, "name", m.Name) }
func (m AuthenticatorAdded) letter() templates.Letter {
	return notice(m.Link, m.Where)
}
func (m AuthenticatorRemoved) letter() templates.Letter { return notice(m.Link, m.Where) }
func (m RecoveryCodesMade) letter() templates.Letter    { return notice(m.Link, m.Where) }
func (m RecoveryCodeUsed) letter() templates.Letter {
	return notice(m.Link, m.Where, "left", strconv.Itoa(m.Left))
}
func (m AuthenticatorLocked) letter() templates.Letter { return notice(m.Link, m.Where) }
func (m RecoveryCodesLocked) letter() templates.Letter { return notice(m.Link, m.Where) }
func (m FactorsReset) letter() templates.Letter        { return notice(m.Link, m.Where) }
func (m PasskeysReset) letter() templates.Letter       { return notice(m.Link, m.Where) }
func (m AccountLinked) letter() templates.Letter {
	return notice(m.Link, m.Where, "connector", m.Connector, "account", m.Account)
}
func (m AccountUnlinked) letter() templates.Letter {
	return notice(m.Link, m.Where, "connector", m.Connector)
}
func (m AccountDeleted) letter() templates.Letter { return notice("", m.Where) }

// until returns when a message becomes useless: when its link ends. The zero time: never.
func until(m Message) time.Time { return m.letter().Until }

// Encoded is a message as it is stored.
type Encoded struct {
	Name   string
	Values []byte // JSON; it may have a link that works once
	Until  time.Time
}

// Encode returns a message as it is stored.
func Encode(m Message) Encoded {
	values, err := json.Marshal(m)
	if err != nil { // messages are plain data; only a mistake above can get here
		panic(fmt.Sprintf("encode %s: %v", m.name(), err))
	}
	return Encoded{m.name(), values, until(m)}
}

// Decode returns a stored message. The error says that this authzd does not know it.
func Decode(name string, values []byte) (Message, error) {
	for _, known := range messages {
		if known.name() != name {
			continue
		}
		m := reflect.New(reflect.TypeOf(known))
		if err := json.Unmarshal(values, m.Interface()); err != nil {
			return nil, fmt.Errorf("decode the message %s: %w", name, err)
		}
		return m.Elem().Interface().(Message), nil
	}
	return nil, fmt.Errorf("unknown message %q", name)
}
