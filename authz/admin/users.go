package admin

import (
	"context"
	"iter"
	"time"

	"github.com/authzd/authzd/authz/users"
)

// NewUser is a user to be created.
type NewUser struct {
	users.User
	Password string `json:"password,omitempty"` // plain text or a hash; empty: no login by password
}

// User is a user as the server knows them. Only the data can be set.
type User struct {
	Sub string `json:"sub"` // the user's id; clients with pairwise subjects get another
	users.User
	HasPassword     bool      `json:"has_password,omitempty"`
	PasswordEndedAt time.Time `json:"password_ended_at,omitzero"` // too many wrong ones ended it
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	ETag            string    `json:"etag"`
}

// SetPassword sets a user's password.
type SetPassword struct {
	Password     string `json:"password"`                // plain text or a hash
	KeepSessions bool   `json:"keep_sessions,omitempty"` // leave the user's sessions and grants; otherwise all end
}

// Identity is a user's account at an upstream provider, with which they sign in.
type Identity struct {
	ID        string    `json:"id"` // unique among the user's identities
	Connector string    `json:"connector"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`         // the user's id there
	Email     string    `json:"email,omitempty"` // at the last sign-in
	LinkedAt  time.Time `json:"linked_at"`
}

// NewIdentity is an identity to be linked.
type NewIdentity struct {
	Connector string `json:"connector"` // its id in the configuration
	Subject   string `json:"subject"`   // the sub that the provider gives the user
}

// TrustedNetwork is a network from which a user has signed in by password within 30 days. Wrong passwords of
// others do not keep them out there.
type TrustedNetwork struct {
	ID     string    `json:"id"`      // a hash of the network
	SeenAt time.Time `json:"seen_at"` // about when the last sign-in was
	Until  time.Time `json:"until"`   // when the trust ends
}

// UserQuery selects users. Set at most one of its fields.
type UserQuery struct {
	Username string // the beginning of the username; an exact match comes first
	Email    string // the beginning of the e-mail address
}

// CreateUser creates a user.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (*User, error) {
	created := new(User)
	return created, c.do(ctx, "POST", "/v1/users", nil, nil, u, created)
}

// ListUsers returns a page of users, in the order of the searched member, or of their ids.
func (c *Client) ListUsers(ctx context.Context, which UserQuery, q PageQuery) (*Page[User], error) {
	return list[User](ctx, c, "/v1/users", params("username", which.Username, "email", which.Email), q)
}

// Users returns all of them.
func (c *Client) Users(ctx context.Context, which UserQuery) iter.Seq2[*User, error] {
	return all(func(q PageQuery) (*Page[User], error) { return c.ListUsers(ctx, which, q) })
}

// GetUser returns a user by their sub.
func (c *Client) GetUser(ctx context.Context, sub string) (*User, error) {
	user := new(User)
	return user, c.do(ctx, "GET", "/v1/users"+segment(sub), nil, nil, nil, user)
}

// ReplaceUser sets all data of a user who has this etag: members that u lacks are removed. The password
// stays.
func (c *Client) ReplaceUser(ctx context.Context, sub, etag string, u users.User) (*User, error) {
	replaced := new(User)
	return replaced, c.do(ctx, "PUT", "/v1/users"+segment(sub), nil, ifMatch(etag), u, replaced)
}

// UpdateUser changes some data of a user, by a JSON merge patch (RFC 7396): a map or a struct. An empty etag
// accepts any present version.
func (c *Client) UpdateUser(ctx context.Context, sub, etag string, patch any) (*User, error) {
	updated := new(User)
	return updated, c.do(ctx, "PATCH", "/v1/users"+segment(sub), nil, mergePatch(etag), patch, updated)
}

// DeleteUser deletes a user. Their sessions end, and their grants and tokens are void.
func (c *Client) DeleteUser(ctx context.Context, sub, etag string) error {
	return c.do(ctx, "DELETE", "/v1/users"+segment(sub), nil, ifMatch(etag), nil, nil)
}

// SetUserPassword sets a user's password. Unless p says otherwise, all their sessions and grants end.
func (c *Client) SetUserPassword(ctx context.Context, sub string, p SetPassword) error {
	return c.do(ctx, "POST", "/v1/users"+segment(sub)+"/set-password", nil, nil, p, nil)
}

// UnlockUser forgives a user's wrong passwords, under all their names.
func (c *Client) UnlockUser(ctx context.Context, sub string) error {
	return c.do(ctx, "POST", "/v1/users"+segment(sub)+"/unlock", nil, nil, nil, nil)
}

// ListIdentities returns the upstream identities of a user, the oldest first. There are never many.
func (c *Client) ListIdentities(ctx context.Context, sub string) (*Page[Identity], error) {
	return list[Identity](ctx, c, "/v1/users"+segment(sub)+"/identities", nil, PageQuery{})
}

// Identities returns all of them.
func (c *Client) Identities(ctx context.Context, sub string) iter.Seq2[*Identity, error] {
	return all(func(PageQuery) (*Page[Identity], error) { return c.ListIdentities(ctx, sub) })
}

// LinkIdentity links an upstream identity to a user. It is no error if it is already linked to them.
func (c *Client) LinkIdentity(ctx context.Context, sub string, id NewIdentity) (*Identity, error) {
	linked := new(Identity)
	return linked, c.do(ctx, "POST", "/v1/users"+segment(sub)+"/identities", nil, nil, id, linked)
}

// UnlinkIdentity unlinks an upstream identity, by its id, unless it is the user's last way in.
func (c *Client) UnlinkIdentity(ctx context.Context, sub, id string) error {
	return c.do(ctx, "DELETE", "/v1/users"+segment(sub)+"/identities"+segment(id), nil, nil, nil, nil)
}

// ListTrustedNetworks returns networks from which a user has signed in lately.
func (c *Client) ListTrustedNetworks(ctx context.Context, sub string, q PageQuery) (*Page[TrustedNetwork], error) {
	return list[TrustedNetwork](ctx, c, "/v1/users"+segment(sub)+"/trusted-networks", params(), q)
}

// TrustedNetworks returns all of them.
func (c *Client) TrustedNetworks(ctx context.Context, sub string) iter.Seq2[*TrustedNetwork, error] {
	return all(func(q PageQuery) (*Page[TrustedNetwork], error) { return c.ListTrustedNetworks(ctx, sub, q) })
}

// ForgetTrustedNetworks ends the trust in all networks of a user.
func (c *Client) ForgetTrustedNetworks(ctx context.Context, sub string) error {
	return c.do(ctx, "DELETE", "/v1/users"+segment(sub)+"/trusted-networks", nil, nil, nil, nil)
}

// EndUserSessions signs a user out everywhere: all sessions and all grants end.
func (c *Client) EndUserSessions(ctx context.Context, sub string) error {
	return c.do(ctx, "POST", "/v1/users"+segment(sub)+"/end-sessions", nil, nil, nil, nil)
}

// Invite is somebody whom an operator wants to have an account: they choose the password.
type Invite struct {
	Email  string   `json:"email"`
	Name   string   `json:"name,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// InviteUser creates a user without a password, and sends them a mail with a link by which they choose one.
func (c *Client) InviteUser(ctx context.Context, i Invite) (*User, error) {
	var u User
	err := c.do(ctx, "POST", "/v1/invitations", nil, nil, i, &u)
	return &u, err
}

// SendUserLink sends a user a mail with a link to a new password: an invitation again, if they never had one.
func (c *Client) SendUserLink(ctx context.Context, sub string) error {
	return c.do(ctx, "POST", "/v1/users"+segment(sub)+"/send-link", nil, nil, nil, nil)
}

// LeftUser is a user of the configuration file who has deleted the account. The file does not make them again.
type LeftUser struct {
	Username string    `json:"username"`
	Sub      string    `json:"sub"` // that they had
	LeftAt   time.Time `json:"left_at"`
}

// ListLeftUsers returns a page of the users of the configuration file who have deleted their account.
func (c *Client) ListLeftUsers(ctx context.Context, q PageQuery) (*Page[LeftUser], error) {
	return list[LeftUser](ctx, c, "/v1/left-users", params(), q)
}

// LeftUsers returns all of them.
func (c *Client) LeftUsers(ctx context.Context) iter.Seq2[*LeftUser, error] {
	return all(func(q PageQuery) (*Page[LeftUser], error) { return c.ListLeftUsers(ctx, q) })
}
