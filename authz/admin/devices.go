package admin

import (
	"context"
	"iter"
	"time"
)

// The kinds of a Device.
const (
	DeviceKnown      = "known"      // the user has signed in there within 180 days
	DeviceRemembered = "remembered" // the user is not asked for a second factor there
)

// Device is a browser of a user.
type Device struct {
	ID        string     `json:"id"`   // a hash of a cookie
	Kind      string     `json:"kind"` // known or remembered; a browser may be both, with two ids
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    *time.Time `json:"seen_at,omitempty"` // of a known one: about when the last sign-in was
	Until     time.Time  `json:"until"`             // when it is forgotten
}

// ListDevices returns the devices of a user. There are never many.
func (c *Client) ListDevices(ctx context.Context, sub string) (*Page[Device], error) {
	return list[Device](ctx, c, "/v1/users"+segment(sub)+"/devices", nil, PageQuery{})
}

// Devices returns all of them.
func (c *Client) Devices(ctx context.Context, sub string) iter.Seq2[*Device, error] {
	return all(func(PageQuery) (*Page[Device], error) { return c.ListDevices(ctx, sub) })
}

// ForgetDevices forgets all devices of a user.
func (c *Client) ForgetDevices(ctx context.Context, sub string) error {
	return c.do(ctx, "DELETE", "/v1/users"+segment(sub)+"/devices", nil, nil, nil, nil)
}
