package admin

import (
	"context"
	"net"
	"net/http"
	"strconv"
)

type peerKey struct{}

// WithPeer stores the process at the other end of a connection to the admin socket. It is for
// http.Server.ConnContext.
func WithPeer(ctx context.Context, conn net.Conn) context.Context {
	if unix, ok := conn.(*net.UnixConn); ok {
		if uid, known := peerUID(unix); known {
			return context.WithValue(ctx, peerKey{}, uid)
		}
	}
	return ctx
}

// PeerUID returns the user id of the process that sent a request on the admin socket, if the system reports
// it.
func PeerUID(ctx context.Context) (uid int, known bool) {
	uid, known = ctx.Value(peerKey{}).(int)
	return uid, known
}

// AtSocket identifies callers at the socket by the user id of their process, and refuses nobody: the mode of the
// socket's file has let them in. It is for Config.Authorize, behind WithPeer.
func AtSocket(_ http.ResponseWriter, r *http.Request) (Actor, error) {
	actor := Actor{ID: "socket"}
	if uid, known := PeerUID(r.Context()); known {
		actor.ID = "uid:" + strconv.Itoa(uid)
	}
	return actor, nil
}
