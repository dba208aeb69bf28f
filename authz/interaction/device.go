package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Limits of wrong user codes (RFC 8628 section 5.1). Only signed-in users learn whether a code exists, so
// guessing needs many accounts, and not only many cookies or addresses.
var (
	codesPerUser    = throttle.Limit{Burst: 10, Interval: time.Minute}
	codesPerBrowser = throttle.Limit{Burst: 10, Interval: 30 * time.Second}
)

// DevicePage is the verification URI for the user of a device (RFC 8628 section 3.3), with or without the code.
// Pages and sign-ins lead back here with their flow. The dispatcher decides what is missing, as for a browser.
//
//	user code -> next: sign in -> find the device -> next: sign in again? -> confirm -> decided
func (in *Interaction) DevicePage(w http.ResponseWriter, r *http.Request) error {
	v, params, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.sealed == "" {
		v.flow.UserCode = params.Get("user_code")
	}
	if v.flow.UserCode == "" {
		problem := templates.NoProblem
		if v.flow.Failed != nil {
			problem = v.flow.Failed.Problem
		}
		in.askUserCode(w, r, http.StatusOK, "", problem)
		return nil
	}
	code, ok := normalUserCode(v.flow.UserCode)
	if !ok {
		in.askUserCode(w, r, http.StatusOK, v.flow.UserCode, templates.UnknownCode)
		return nil
	}
	if v.user == nil {
		_, err := in.askUser(w, r, v)
		return err
	}
	if v.flow.Device == "" {
		found, err := in.findDevice(w, r, v, code)
		if err != nil || !found {
			return err
		}
	}
	return in.showDevice(w, r, v)
}

// askUser sends the user of a device to the page of the first missing step, and reports whether there is one. The
// consent does not count: the confirmation of the device takes its place.
func (in *Interaction) askUser(w http.ResponseWriter, r *http.Request, v *visit) (asked bool, err error) {
	missing, err := in.next(r.Context(), v.pending())
	if err != nil || missing == nil || missing.page == consentPage {
		return false, err
	}
	http.Redirect(w, r, in.pageURL(missing.page, in.seal(v.flow)), http.StatusSeeOther)
	return true, nil
}

// findDevice looks up a user code. If the code is wrong, or there were too many wrong ones, it draws the page for
// the code again.
func (in *Interaction) findDevice(w http.ResponseWriter, r *http.Request, v *visit, code string) (found bool, err error) {
	event := observe.Event(r.Context())
	network := throttle.NetworkOf(event.Remote())
	charges := []throttle.Charge{
		{Key: in.Ledger.Networks.Key("user codes of a user", v.user.ID, netip.Prefix{}), Limit: codesPerUser},
		{Key: in.Ledger.Networks.Key("user codes of a browser", v.flow.Browser, network), Limit: codesPerBrowser},
	}
	if wait := in.Ledger.Networks.Take(time.Now(), charges...); wait > 0 {
		event.SetSubject(v.user.ID)
		observe.Alarm(r.Context(), observe.UserCodeThrottled)
		oauth.SetRetryAfter(w, wait)
		in.askUserCode(w, r, http.StatusTooManyRequests, v.flow.UserCode, templates.TooManyAttempts)
		return false, nil
	}
	known, _, err := storage.UserCodes.Get(r.Context(), in.Store, code)
	if errors.Is(err, storage.ErrNotFound) {
		in.askUserCode(w, r, http.StatusOK, v.flow.UserCode, templates.UnknownCode)
		return false, nil
	}
	in.Ledger.Networks.Give(time.Now(), charges...)
	if err != nil {
		return false, err
	}
	v.flow.Device = known.DeviceCode
	_, _, v.request, err = in.device(r.Context(), v.flow.Device)
	return err == nil, err
}

// showDevice asks for the decision or, if there is one, shows it.
func (in *Interaction) showDevice(w http.ResponseWriter, r *http.Request, v *visit) error {
	device, problem, err := in.openDevice(r.Context(), v)
	switch {
	case err != nil:
		return err
	case problem != templates.NoProblem:
		in.askUserCode(w, r, http.StatusOK, v.flow.UserCode, problem)
		return nil
	case device.Status != storage.DevicePending:
		in.Pages.Render(w, r, http.StatusOK, templates.DeviceDone{
			UILocales: v.uiLocales(), Client: *v.client(), Allowed: device.Status != storage.DeviceDenied,
		})
		return nil
	}
	if asked, err := in.askUser(w, r, v); err != nil || asked {
		return err
	}
	v.sealed = in.seal(v.flow)
	in.Pages.Render(w, r, http.StatusOK, templates.DeviceConfirm{
		UILocales:       v.uiLocales(),
		Client:          *v.client(),
		Action:          in.Issuer.URL("/device"),
		Hidden:          v.hidden(),
		User:            pages.User(v.user),
		OtherAccountURL: in.otherAccountURL(v.sealed),
		UserCode:        device.UserCode,
		Scopes:          shownScopes(in.Resources.ShownScopes(in.permissions(v.request)), v.user),
		Details:         in.Resources.ShownDetails(v.request.Details, v.request.Resources),
		Detail:          in.Requests.ExplainLeftOut(v.request),
	})
	return nil
}

// openDevice reads the device of a flow. If another user has decided about it, it counts as unknown.
func (in *Interaction) openDevice(ctx context.Context, v *visit) (*storage.DeviceCode, templates.Problem, error) {
	device, _, _, err := in.device(ctx, v.flow.Device)
	switch {
	case err != nil:
		return nil, templates.NoProblem, err
	case device == nil:
		return nil, templates.ExpiredCode, nil
	case device.Status == storage.DevicePending && !storage.Now().Before(device.ExpiresAt):
		return nil, templates.ExpiredCode, nil
	case device.Status != storage.DevicePending && device.UserID != v.user.ID:
		return nil, templates.UnknownCode, nil
	}
	return device, templates.NoProblem, nil
}

// askUserCode draws the page for the user code.
func (in *Interaction) askUserCode(w http.ResponseWriter, r *http.Request, status int, typed string, problem templates.Problem) {
	if len(typed) > maxUserCode {
		typed = ""
	}
	in.Pages.Render(w, r, status, templates.DeviceCode{Action: in.Issuer.URL("/device"), UserCode: typed, Problem: problem})
}

// EnterDevice takes the forms of both pages: the user code, or the decision.
func (in *Interaction) EnterDevice(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	if !form.Has("decision") {
		next := flow{Browser: v.flow.Browser, Carried: authorize.Carried{Started: storage.Now()}, UserCode: form.Get("user_code")}
		switch {
		case next.UserCode == "":
			next.Failed = &failedLogin{Problem: templates.MissingCode}
		case len(next.UserCode) > maxUserCode: // not into a URL
			next.UserCode, next.Failed = "", &failedLogin{Problem: templates.UnknownCode}
		}
		http.Redirect(w, r, in.pageURL("/device", in.seal(next)), http.StatusSeeOther)
		return nil
	}
	if v.flow.Device == "" || v.request == nil || !v.asked(form) {
		http.Redirect(w, r, in.pageURL("/device", v.sealed), http.StatusSeeOther)
		return nil
	}
	status := map[string]string{"allow": storage.DeviceApproved, "deny": storage.DeviceDenied}[form.Get("decision")]
	if status == "" {
		return oauth.Refuse(oauth.InvalidRequest, "The decision is neither allow nor deny.")
	}
	observe.Event(r.Context()).SetSubject(v.user.ID)
	if err := storage.Retry(func() error { return in.decideDevice(r, v, status) }); err != nil {
		return err
	}
	http.Redirect(w, r, in.pageURL("/device", v.sealed), http.StatusSeeOther) // it shows the result
	return nil
}

// decideDevice approves or denies a device. Of several decisions the first counts. If there is nothing left to
// decide, or a step is missing, it does nothing.
func (in *Interaction) decideDevice(r *http.Request, v *visit, status string) error {
	ctx := r.Context()
	device, version, request, err := in.device(ctx, v.flow.Device)
	if err != nil || device == nil || device.Status != storage.DevicePending || !storage.Now().Before(device.ExpiresAt) {
		return err
	}
	asked := v.user.ID
	v.request = request
	if v.who, err = in.who(r, request, v.flow); err != nil || v.user == nil || v.user.ID != asked {
		return err
	}
	if missing, err := in.next(ctx, v.pending()); err != nil || missing != nil && missing.page != consentPage {
		return err
	}
	observe.Event(ctx).SetGrant(device.GrantID)
	decided := *device
	decided.Status, decided.UserID, decided.DecidedAt = status, v.user.ID, request.Now
	var writes []storage.Write
	if status == storage.DeviceApproved {
		decided.Authorization = request.GrantedBy(v.user, v.signedIn)
		consent, err := in.consentWrite(ctx, v.user.ID, request)
		if err != nil {
			return err
		}
		writes = append(in.useSession(v.signedIn, request), consent)
		writes = append(writes, in.Events.Consented(ctx, audit.ConsentGiven, v.user.ID, request.Client.ID, in.permissions(request))...)
	}
	return in.Store.Apply(ctx, append(writes, storage.DeviceCodes.Put(v.flow.Device, &decided, storage.At(version), device.ExpiresAt.Add(authorize.CodeMemory)))...)
}
