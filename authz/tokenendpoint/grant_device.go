package tokenendpoint

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

const (
	// slowDown is added to the interval of a device that polls too fast (RFC 8628 section 3.5).
	slowDown = 5 // seconds
	// pollTolerance is how much earlier than its interval a poll may come: a poll that was sent in time comes
	// early if the one before it took longer on its way.
	pollTolerance = time.Second
)

// redeemDeviceCode follows RFC 8628 sections 3.4 and 3.5.
func (ep *Endpoint) redeemDeviceCode(ctx context.Context, x *exchange, form url.Values) error {
	presented := form.Get("device_code")
	if presented == "" {
		return oauth.Refuse(oauth.InvalidRequest, "The parameter device_code is missing.")
	}
	unknown := oauth.Refuse(oauth.InvalidGrant, "The device code is unknown, used, or of another client.")
	key := oauth.HashToken(presented)
	device, version, err := recordOf(x, storage.DeviceCodes)
	if errors.Is(err, storage.ErrNotFound) {
		return unknown
	} else if err != nil {
		return err
	}
	if device.ClientID != x.Client.ID { // before anything can happen to the code
		return unknown.Because(errors.New("device code of another client"))
	}
	observe.Event(ctx).SetGrant(device.GrantID)
	switch {
	case device.Status == storage.DeviceUsed:
		// This is no sign of theft, unlike with an authorization code: a device code never leaves the device,
		// which may poll twice at once. The grant of the first poll stays.
		return unknown.Because(errors.New("device code used again"))
	case device.Status == storage.DeviceDenied:
		return oauth.Refuse(oauth.AccessDenied, "The user denied the request.")
	case !x.Now.Before(device.ExpiresAt):
		return oauth.Refuse(oauth.ExpiredToken, "The device code has expired: ask for a new one.")
	case device.Status == storage.DevicePending:
		return ep.polled(x, key, device, version)
	}
	if err := ep.openGrant(ctx, x, device.GrantID, device.Authorization, device.DecidedAt); err != nil {
		return err
	}
	used := *device
	used.Status = storage.DeviceUsed
	x.writes = append(x.writes, storage.DeviceCodes.Put(key, &used, storage.At(version), device.ExpiresAt.Add(authorize.CodeMemory)))
	return nil
}

// polled answers a device whose user has not decided yet, and stores the time of the poll. If a device polls too
// often, its interval grows, which is stored too. Once the interval leads beyond the end of the code, polled writes
// nothing more, so that a flood of polls stops writing.
func (ep *Endpoint) polled(x *exchange, key string, device *storage.DeviceCode, version uint64) error {
	answer := oauth.Refuse(oauth.AuthorizationPending, "The user has not decided yet: ask again after the interval.")
	polled, interval := *device, time.Duration(device.Interval)*time.Second
	if x.Now.Sub(device.PolledAt) < interval-pollTolerance {
		answer = oauth.Refuse(oauth.SlowDown, "The device asks too often: wait 5 seconds longer from now on.")
		if !x.Now.Add(interval).Before(device.ExpiresAt) {
			return answer
		}
		polled.Interval += slowDown
	}
	polled.PolledAt = x.Now
	x.durable = append(x.durable, storage.DeviceCodes.Put(key, &polled, storage.At(version), device.ExpiresAt.Add(authorize.CodeMemory)))
	return answer
}
