package acceptance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator is a virtual authenticator in a tab.
type authenticator struct {
	*tab
	id webauthn.AuthenticatorID
}

// addAuthenticator adds one that holds discoverable keys and verifies its user. It answers by itself while present.
func (b *tab) addAuthenticator(present bool) *authenticator {
	b.t.Helper()
	a := &authenticator{tab: b}
	b.do(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		a.id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: present,
		}).Do(ctx)
		return err
	}))
	return a
}

func (a *authenticator) present(is bool) {
	a.t.Helper()
	a.do(webauthn.SetAutomaticPresenceSimulation(a.id, is))
}

// keys are the credentials that it holds.
func (a *authenticator) keys() (keys []*webauthn.Credential) {
	a.t.Helper()
	a.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		keys, err = webauthn.GetCredentials(a.id).Do(ctx)
		return err
	}))
	return keys
}

// passwordSignIn signs Alice in on the sign-in page, and waits for the next one.
func (b *tab) passwordSignIn(issuer string) {
	b.t.Helper()
	b.open(issuer + "/login")
	b.shows("login-submit")
	b.fill("username", "alice")
	b.fill("password", password)
	b.leave("login-submit")
}

func (b *tab) at(path string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path))
}

func (b *tab) signOut(issuer string) {
	b.t.Helper()
	b.open(issuer + "/account")
	b.leave("logout")
}

// onEveryPage runs a script before those of the next documents, and returns what undoes that.
func (b *tab) onEveryPage(script string) (restore func()) {
	b.t.Helper()
	var id cdppage.ScriptIdentifier
	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = cdppage.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
	return func() { b.t.Helper(); b.do(cdppage.RemoveScriptToEvaluateOnNewDocument(id)) }
}

// withoutList is a browser that offers no passkeys in the list of the username field.
const withoutList = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"

// Alice is offered a passkey after her password, adds it, and signs in with it: by the button, and by the list of the
// username field. At the end she removes it, and declines the offer for good.
func TestPasskeyInChromium(t *testing.T) {
	t.Parallel()
	s := startDev(t, "signing: {alg: ES256}")
	b := openChromium(t)
	a := b.addAuthenticator(false) // so that the browser makes no key without being asked

	b.passwordSignIn(s.issuer)
	b.at("/passkey")
	a.present(true)
	b.leave("passkey-add")
	b.at("/account")
	if n := len(a.keys()); n != 1 {
		t.Fatalf("%d keys", n)
	}
	b.signOut(s.issuer)

	b.open(s.issuer + "/login") // the list of the username field, whose first entry the authenticator takes
	b.at("/account")
	b.signOut(s.issuer)

	restore := b.onEveryPage(withoutList)
	b.open(s.issuer + "/login")
	b.leave("passkey-login")
	b.at("/account")

	b.open(s.issuer + "/account/passkeys")
	id := strings.TrimPrefix(eval[string](b, "document.querySelector('#passkeys > li').id"), "passkey-")
	b.do(chromedp.Evaluate("document.getElementById('change-"+id+"').open = true", nil))
	b.leave("passkey-remove-" + id)
	b.shows("no-passkeys")
	b.until("document.querySelector('[data-passkey-signals]')")
	b.signOut(s.issuer)
	if len(a.keys()) > 0 { // unless the browser has removed it, because it heard that no key is accepted
		b.open(s.issuer + "/login")
		b.leave("passkey-login")
		b.shows("problem")
		if said := b.text("problem"); !strings.Contains(said, "isn’t known") {
			t.Errorf("a removed key: %q", said)
		}
	}
	restore()
	a.present(false)
	b.passwordSignIn(s.issuer)
	b.at("/passkey")
	b.do(chromedp.Evaluate("document.getElementById('never').click()", nil))
	b.leave("passkey-skip")
	b.at("/account")
	b.signOut(s.issuer)
	b.passwordSignIn(s.issuer)
	b.at("/account") // and is never asked again
}

// What an authenticator must not answer is refused, with a sentence. What the browser refuses is said in words too, and
// no other way is lost by it.
func TestPasskeyRefusedInChromium(t *testing.T) {
	t.Parallel()
	s := startDev(t, "signing: {alg: ES256}")
	b := openChromium(t)
	a := b.addAuthenticator(true)
	b.onEveryPage(withoutList)
	// After a password sign-in the page lets the browser make a passkey by itself. A virtual authenticator does that only
	// if it is asked plainly.
	b.onEveryPage("const create = navigator.credentials.create.bind(navigator.credentials); navigator.credentials.create = (o) => create({publicKey: o.publicKey});")
	b.passwordSignIn(s.issuer)
	b.at("/account")
	key := a.keys()[0].CredentialID
	b.signOut(s.issuer)

	bits := func() *webauthn.SetResponseOverrideBitsParams { return webauthn.SetResponseOverrideBits(a.id) }
	for _, test := range []struct {
		spoil chromedp.Action
		says  string
	}{
		{bits().WithIsBogusSignature(true), "wasn’t accepted"},
		{bits().WithIsBadUV(true), "didn’t check"},
		{bits().WithIsBadUP(true), "didn’t check"},
	} {
		b.open(s.issuer + "/login")
		b.do(test.spoil)
		b.leave("passkey-login")
		b.shows("problem")
		if said := b.text("problem"); !strings.Contains(said, test.says) {
			t.Errorf("%q, want %q", said, test.says)
		}
		b.do(bits().WithIsBogusSignature(false).WithIsBadUV(false).WithIsBadUP(false))
	}

	says := func(want string) {
		t.Helper()
		b.until(fmt.Sprintf("document.getElementById('passkey-status').textContent.includes(%q)", want))
	}
	b.do(webauthn.SetUserVerified(a.id, false)) // NotAllowedError: the person does not unlock it
	b.open(s.issuer + "/login")
	b.click("passkey-login")
	says("No passkey was used")
	b.do(webauthn.SetUserVerified(a.id, true))
	for name, want := range map[string]string{"NotSupportedError": "can’t use passkeys", "SecurityError": "at this address", "UnknownError": "didn’t work"} {
		b.open(s.issuer + "/login")
		b.do(chromedp.Evaluate("navigator.credentials.get = async () => { throw new DOMException('', '"+name+"'); }", nil))
		b.click("passkey-login")
		says(want)
	}
	b.open(s.issuer + "/login") // a browser that never answers, and a person who does not wait for it
	b.do(chromedp.Evaluate("navigator.credentials.get = () => new Promise(() => {})", nil))
	b.click("passkey-login")
	says("choose another way")
	b.fill("username", "alice")
	b.fill("password", password)
	b.leave("login-submit")
	b.at("/account")
	b.signOut(s.issuer)

	// The authenticator says something else about backups than before: nobody is locked out.
	b.do(webauthn.SetCredentialProperties(a.id, key).WithBackupEligibility(true).WithBackupState(true))
	b.open(s.issuer + "/login")
	b.leave("passkey-login")
	b.at("/account")
}
