package config

import (
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// warn notes what the configuration may have, and hardly should. It comes after check, on a
// configuration that is right.
func (l *loader) warn() {
	c := &l.cfg
	note := func(path string, value any, p *member.Flaw) { l.note(&c.Warnings, path, value, p) }
	l.warnOfListener(&c.Warnings, c.Admin.Listen)
	l.warnOfProxies(&c.Warnings, "trusted_proxies", c.TrustedProxies)
	for i, p := range c.Outbound.AllowPrivateNetworks {
		if isWide(p) {
			note(element("outbound.allow_private_networks", i), p, problemf("list the networks that clients' URLs may lead to",
				"allows everything: a client can have authzd call any service of this machine and its network, such as the cloud's metadata"))
		}
	}
	l.warnOfBlocked()
	l.warnOfPasskeys(note)
	l.warnOfMail()
	l.warnOfAccounts()
	if c.Signing.Alg != "RS256" {
		note("signing.alg", c.Signing.Alg, problemf("leave it RS256, and set id_token_signed_response_alg per client and alg per resource",
			"clients may assume that ID tokens are signed with RS256 (OpenID Connect Discovery section 3), and fail"))
	}
	for _, p := range l.secretPlaces(c.TLS, c.SecretFile) {
		note(p.key, p.path, worldReadable(p.path))
	}
	note("storage.bolt.path", c.Storage.Bolt.Path, l.movedFrom("storage.bolt.path", c.Storage.Bolt.Path))
	for i, name := range c.SecretFile {
		note(element("secret_file", i), name, l.movedFrom("secret_file", name))
	}
	c.Warnings = c.Warnings.sorted(l.name)
}

// note adds a warning about the value at a key. A nil flaw is none.
func (d *document) note(warnings *Errors, path string, value any, p *member.Flaw) {
	if p == nil {
		return
	}
	at := d.originOf(path)
	*warnings = append(*warnings, &Error{
		File: at.file, Line: at.line, Column: at.column, Variable: at.variable,
		Key: path, Value: quote(value), Reason: p.Reason, Hint: p.Hint,
	})
}

// warnOfListener is for an operator's address that others can reach.
func (d *document) warnOfListener(warnings *Errors, address string) {
	if address != "" && !listensLocally(address) {
		d.note(warnings, "admin.listen", address, problemf("listen on 127.0.0.1, and let a proxy with TLS, or a tunnel, lead there",
			"others on the network reach it, without TLS: they can read the operators' access tokens on the way"))
	}
}

// warnOfProxies is for trust in everybody.
func (d *document) warnOfProxies(warnings *Errors, path string, proxies []netip.Prefix) {
	for i, p := range proxies {
		if isWide(p) {
			d.note(warnings, element(path, i), p, problemf("list the networks of the proxies alone",
				"takes in all addresses, or most: everybody can pretend to have any address, and escape every limit that goes by it"))
		}
	}
}

// listensLocally reports whether an address is reached from this machine alone.
func listensLocally(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && weburl.IsLoopback(host)
}

// isWide reports whether a network is the whole internet, or a good part of it.
func isWide(p netip.Prefix) bool {
	addr := p.Addr()
	switch {
	case addr.Is4In6():
		return p.Bits()-96 < 8
	case addr.Is4():
		return p.Bits() < 8
	}
	return p.Bits() < 16 && !addr.IsPrivate() && !addr.IsLinkLocalUnicast()
}

// secretPlaces are the files that hold secrets.
func (d *document) secretPlaces(t TLS, secrets PathList) (places []place) {
	if d.holdsSecrets {
		places = append(places, place{path: d.name})
	}
	places = append(places, place{key: "tls.key_file", path: t.KeyFile})
	for i, name := range secrets {
		places = append(places, place{key: element("secret_file", i), path: name})
	}
	for _, key := range slices.Sorted(maps.Keys(d.secretFiles)) {
		places = append(places, place{key: key, path: d.secretFiles[key]})
	}
	return places
}

func worldReadable(name string) *member.Flaw {
	const others fs.FileMode = 0o004
	if name == "" || strings.HasPrefix(name, envSource) {
		return nil
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&others == 0 {
		return nil
	}
	return problemf("chmod 600 "+name+", or 640 and the group that authzd runs as", "has a secret, and everybody on this machine can read it (mode %04o)", info.Mode().Perm())
}

// movedFrom is for a configuration of an earlier release, which took paths as relative to the working
// directory: what it had made there is not found any more.
func (d *document) movedFrom(key, name string) *member.Flaw {
	rest, relative := strings.CutPrefix(name, d.folder+"/")
	if !relative || d.folder == "." || !d.given(key) || filepath.IsAbs(rest) || exists(name) || !exists(rest) {
		return nil
	}
	earlier, err := filepath.Abs(rest)
	if err != nil {
		return nil
	}
	return problemf("if that is the one you mean, write "+earlier, "there is none, but there is %s: names in this file are relative to it, and no longer to the working directory", earlier)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
