package operator

import (
	"context"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// listDevices lists the browsers of a user: those on which they have signed in, and those on which they are not asked for
// a second factor. A browser may be in both lists, with two ids.
func (api *API) listDevices(ctx context.Context, c *admin.Call, _ admin.Slice) (shown []admin.Device, next string, err error) {
	user, err := api.Accounts.Get(ctx, c.Path("sub"))
	if err != nil {
		return nil, "", err
	}
	known, err := api.Accounts.KnownDevices(ctx, user.ID)
	if err != nil {
		return nil, "", err
	}
	for _, d := range known {
		shown = append(shown, admin.Device{ID: d.ID, Kind: admin.DeviceKnown, CreatedAt: d.FirstAt, SeenAt: admin.OrNil(d.SeenAt), Until: d.Until})
	}
	remembered, err := api.Factors.Devices(ctx, user)
	for _, d := range remembered {
		shown = append(shown, admin.Device{ID: d.ID, Kind: admin.DeviceRemembered, CreatedAt: d.Since, Until: d.Until})
	}
	return shown, "", err
}

// forgetDevices makes all devices of a user new ones, such as a laptop that was stolen.
func (api *API) forgetDevices(ctx context.Context, c *admin.Call) error {
	return storage.Retry(func() error {
		user, version, err := api.userToChange(ctx, c)
		if err != nil {
			return err
		}
		writes, err := api.Factors.ForgetWrites(ctx, user, version)
		if err != nil {
			return err
		}
		known, err := api.Accounts.ForgetDevicesWrites(ctx, user.ID)
		if err != nil {
			return err
		}
		writes = append(append(writes, known...), api.did(ctx, c, audit.Event{Type: audit.DevicesForgotten, UserID: user.ID})...)
		return api.Store.Apply(ctx, writes...)
	})
}
