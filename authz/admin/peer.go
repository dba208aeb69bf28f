package admin

import (
	"context"
	"net"
)

type peerKey struct{}

// WithPeer remembers who is at the other end of a connection to the admin socket. It is for
// http.Server.ConnContext.
func WithPeer(ctx context.Context, conn net.Conn) context.Context {
	if unix, ok := conn.(*net.UnixConn); ok {
		if uid, known := peerUID(unix); known {
			return context.WithValue(ctx, peerKey{}, uid)
		}
	}
	return ctx
}

// PeerUID is the user id of the process that a request on the admin socket came from, if the system
// tells.
func PeerUID(ctx context.Context) (uid int, known bool) {
	uid, known = ctx.Value(peerKey{}).(int)
	return uid, known
}
