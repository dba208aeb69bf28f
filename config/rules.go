package config

import (
	"crypto/tls"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// The rules that several files share: each reports at the key that it is given.

func (d *document) checkTime(path string, t, least, most time.Duration) {
	d.report(path, short(t), member.TimeFlaw(t, least, most))
}

// checkOrder demands that an idle limit does not exceed the absolute one.
func (d *document) checkOrder(path string, idle time.Duration, maxPath string, limit time.Duration) {
	d.report(path, short(idle), member.OrderFlaw(idle, limit, maxPath))
}

// short writes a duration as people do: 15m, not 15m0s.
func short(d time.Duration) string { return member.Duration(d).String() }

// checkLabel is for names that people see. One that was not given is no mistake.
func (d *document) checkLabel(path, s string) {
	if d.given(path) {
		d.report(path, s, member.LabelFlaw(s))
	}
}

// checkRequired reports, in each entry, the keys that it can't do without, and entries whose
// identifier an earlier one has.
func (d *document) checkRequired(entries reflect.Value, path string) {
	first := map[string]int{} // identifier -> index
	for i := range entries.Len() {
		entry, at := entries.Index(i), element(path, i)
		for _, f := range fieldsOf(entry.Type()) {
			if f.required && !d.given(child(at, f.key)) {
				d.report(child(at, f.key), nil, problemf("set it", "is required"))
			}
		}
		id := fieldsOf(entry.Type())[0]
		value := entry.Field(0).String()
		if j, dup := first[value]; dup && value != "" {
			earlier := d.originOf(child(element(path, j), id.key))
			d.report(child(at, id.key), entry.Field(0).Interface(), problemf("give each its own", "given twice, first on line %d", earlier.line))
			continue
		}
		first[value] = i
	}
}

// checkEach applies a rule to each element of a list.
func (d *document) checkEach(path string, list []string, rule func(string) *member.Flaw) {
	for i, item := range list {
		d.report(element(path, i), item, rule(item))
	}
}

// readable reads a file that the server will need.
func readable(name string) ([]byte, *member.Flaw) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, unreadable(err)
	}
	return data, nil
}

// checkNotFolder refuses what can't be a file, without demanding that it exists.
func checkNotFolder(name string) *member.Flaw {
	if name == "" {
		return problemf("name a file", "is empty")
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return problemf("name a file in it", "is a folder")
	}
	return nil
}

// checkFolder demands a folder that is there.
func checkFolder(name string) *member.Flaw {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return unreadable(err)
	case !info.IsDir():
		return problemf("name the folder that it is in", "is a file")
	}
	return nil
}

// checkTLS is for the certificate of a server whose public URL stands at a key.
func (d *document) checkTLS(t TLS, key, url string) {
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return
	case t.KeyFile == "":
		d.report("tls", nil, problemf("set key_file too, or neither", "cert_file without key_file"))
		return
	case t.CertFile == "":
		d.report("tls", nil, problemf("set cert_file too, or neither", "key_file without cert_file"))
		return
	}
	if strings.HasPrefix(url, "http:") {
		d.report(key, url, problemf("begin it with https, or remove tls", "is http, but tls is configured"))
	}
	d.checkKeyPair("tls", t.CertFile, t.KeyFile)
}

// checkKeyPair demands a certificate and its key in the files that cert_file and key_file below a key name.
func (d *document) checkKeyPair(path, certFile, keyFile string) {
	cert, certProblem := readable(certFile)
	private, keyProblem := readable(keyFile)
	d.report(path+".cert_file", certFile, certProblem)
	d.report(path+".key_file", keyFile, keyProblem)
	if certProblem != nil || keyProblem != nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, private); err != nil {
		d.report(path, nil, &member.Flaw{Reason: strings.TrimPrefix(err.Error(), "tls: "), Err: err,
			Hint: "the files must be PEM, and the key must be the certificate's"})
	}
}

// checkSecretFiles is for the files of the secret, which may be made yet.
func (d *document) checkSecretFiles(names PathList) {
	for i, name := range names {
		if !strings.HasPrefix(name, envSource) {
			d.report(element("secret_file", i), name, checkNotFolder(name))
		}
	}
}

// checkSocketLength is for the path of a socket at a key.
func (d *document) checkSocketLength(key, name string) {
	const most = 103 // bytes, the least of what the systems allow
	if len(name) > most {
		d.report(key, name, problemf("name a shorter path, or \"\" for none", "longer than the %d bytes that a socket's path can have", most))
	}
}

// checkAdminListen is for the operator's address, which can't be the public one.
func (d *document) checkAdminListen(address, public string) {
	if address == "" {
		return
	}
	d.report("admin.listen", address, checkListen(address))
	if address == public && !strings.HasSuffix(public, ":0") {
		d.report("admin.listen", address, problemf("use another port", "the same address as listen"))
	}
}
