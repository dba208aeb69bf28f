package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// deviceInterval is how long a device waits between two polls, until it is told to slow down.
const deviceInterval = 5 // seconds

// deviceParams are the parameters of a device: those of an authorization request that make sense without a
// redirect. Others are ignored (RFC 6749 section 3.1).
var deviceParams = []string{"scope", "resource", "authorization_details", "acr_values", "max_age", "claims", "login_hint", "ui_locales"}

// deviceAnswer is the answer of RFC 8628 section 3.2.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"` // seconds
	Interval                int    `json:"interval"`   // seconds
}

// DeviceAuthorization is the device authorization endpoint (RFC 8628 section 3.1):
//
//	device:  form -> AsClient -> checkDevice -> one Apply -> device code and user code
//	person:  /device -> user code -> sign in -> confirm        device.go
//	device:  /token, again and again -> pending … -> tokens    tokenendpoint/grant_device.go
func (in *Interaction) DeviceAuthorization(w http.ResponseWriter, r *http.Request) error {
	form, claim, err := in.Auth.Form(w, r)
	if err != nil {
		return err
	}
	answer := deviceAnswer{
		VerificationURI: in.Issuer.URL("/device"), ExpiresIn: int(in.DeviceLifetime.Seconds()), Interval: deviceInterval,
	}
	err = in.Auth.AsClient(r, claim, func(c *clientauth.Sender) ([]storage.Write, error) {
		a, err := in.checkDevice(r, c.Client, form)
		if err != nil {
			return nil, err
		}
		answer.DeviceCode, answer.UserCode = oauth.NewToken(oauth.PrefixDevice), newUserCode() // new ones if AsClient retries, because one is taken
		answer.VerificationURIComplete = answer.VerificationURI + "?user_code=" + answer.UserCode
		return in.newDevice(a, answer.DeviceCode, answer.UserCode), nil
	})
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusOK, answer)
}

// checkDevice checks a device authorization request.
func (in *Interaction) checkDevice(r *http.Request, c *client.Client, form url.Values) (*authorize.Request, error) {
	if !c.May(client.GrantDeviceCode) {
		return nil, oauth.Refuse(oauth.UnauthorizedClient, "The client is not registered for the grant type "+client.GrantDeviceCode+".")
	}
	params := url.Values{}
	for _, name := range deviceParams {
		if values, ok := form[name]; ok {
			params[name] = values
		}
	}
	if !authorize.FitsURL(params.Encode()) {
		return nil, oauth.Refuse(oauth.InvalidRequest, "The device authorization request is too long.")
	}
	a, err := in.newDeviceRequest(c, params)
	if err != nil {
		return nil, err
	}
	a.NoteLeftOut(r.Context())
	return a, in.Ledger.Take(r.Context(), allowance.Devices, c, len(params.Encode()))
}

// newDeviceRequest checks the parameters of a device as those of an authorization request are checked. There is
// no prompt: a device is always confirmed.
func (in *Interaction) newDeviceRequest(c *client.Client, params url.Values) (*authorize.Request, error) {
	a := &authorize.Request{Params: params, Client: c, Now: storage.Now()}
	if err := a.TakeScopes(); err != nil {
		return nil, err
	}
	if err := in.Requests.CheckRequest(a); err != nil {
		return nil, err
	}
	return a, nil
}

// newDevice returns the writes that store a device and its user code. The records outlive the codes, so that
// users who come late see what is wrong.
func (in *Interaction) newDevice(a *authorize.Request, deviceCode, userCode string) []storage.Write {
	key, expires := oauth.HashToken(deviceCode), a.Now.Add(in.DeviceLifetime)
	device := &storage.DeviceCode{
		Authorization: storage.Authorization{ClientID: a.Client.ID},
		Params:        a.Params.Encode(),
		UserCode:      userCode,
		GrantID:       oauth.NewID(),
		Status:        storage.DevicePending,
		Interval:      deviceInterval,
		CreatedAt:     a.Now,
		ExpiresAt:     expires,
	}
	typed, _ := normalUserCode(userCode)
	return []storage.Write{
		storage.DeviceCodes.Put(key, device, storage.Absent, expires.Add(authorize.CodeMemory)),
		storage.UserCodes.Put(typed, &storage.UserCode{DeviceCode: key}, storage.Absent, expires.Add(authorize.CodeMemory)),
	}
}

// device returns the record of a device, its version, and its request. They are nil if the device is gone.
func (in *Interaction) device(ctx context.Context, key string) (*storage.DeviceCode, uint64, *authorize.Request, error) {
	device, version, err := storage.DeviceCodes.Get(ctx, in.Store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, 0, nil, nil
	} else if err != nil {
		return nil, 0, nil, err
	}
	c, err := in.Clients.Get(ctx, device.ClientID)
	if err != nil {
		return nil, 0, nil, err
	}
	if c == nil || !c.May(client.GrantDeviceCode) {
		return nil, 0, nil, oauth.Refuse(oauth.InvalidClient, "The client of the device is no longer registered.")
	}
	params, err := oauth.ParseParams(device.Params)
	if err != nil {
		return nil, 0, nil, err
	}
	a, err := in.newDeviceRequest(c, params) // the client may have changed since
	return device, version, a, err
}
