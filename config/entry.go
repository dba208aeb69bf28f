package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/authzd/authzd/authz/strictjson"
)

// What the operator sends to a running server has the words and the rules of the file.

// madeByServer stands for the secret of a client that is not made yet.
const madeByServer = "256 bits, made by the server"

// ParseClient reads a JSON object as if it were an entry of clients in the file that c came from, and
// completes it. A client that has a secret is taken to have one, which the caller makes; it cannot bring
// one. What is wrong is returned as Errors, whose keys are below clients[0].
func (c *Config) ParseClient(document []byte) (*Client, error) {
	l := c.entryLoader()
	l.decodeEntry("clients", document)
	const at = "clients[0]"
	for _, key := range []string{"client_secret", "client_secrets"} {
		if l.given(child(at, key)) {
			l.report(child(at, key), nil, problemf("leave it out, and take the secret from the answer", "is made by the server"))
		}
	}
	if len(l.errs) > 0 || len(l.cfg.Clients) == 0 {
		return nil, l.errs
	}
	client := &l.cfg.Clients[0]
	l.completeClient(client, at)
	if client.usesSecret() {
		l.origins[at+".client_secret"] = origin{}
		client.ClientSecret = madeByServer
	}
	l.checkRequired(reflect.ValueOf(l.cfg.Clients), "clients")
	l.checkClient(client, at)
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	return client, nil
}

// entryLoader is a loader that knows the rest of the configuration.
func (c *Config) entryLoader() *loader {
	l := &loader{remote: true, secretFiles: map[string]string{}, cfg: *c, origins: map[string]origin{}}
	l.cfg.Clients, l.cfg.Users = nil, nil
	return l
}

// decodeEntry decodes the one entry of a list. JSON is YAML, once its strings have no escapes that YAML
// lacks: encoding it again sees to that.
func (l *loader) decodeEntry(list string, document []byte) {
	var entry any
	if err := strictjson.Unmarshal(document, &entry); err != nil {
		l.syntax(nil, problemf("", "not JSON"))
		return
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object{list: []any{entry}}); err != nil {
		l.syntax(nil, problemf("", "not JSON"))
		return
	}
	root := l.parse(text.Bytes())
	if len(l.errs) == 0 {
		l.decode(root, reflect.ValueOf(&l.cfg).Elem(), field{}, "")
	}
}

// Document is the client as JSON, by the keys of the file, without its secrets and without what is empty.
func (c *Client) Document() ([]byte, error) {
	document := object{"refresh_token_rotation": c.RefreshTokenRotation, "refresh_grace": short(c.RefreshGrace)}
	v := reflect.ValueOf(c).Elem()
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		switch {
		case value.IsZero(), value.Kind() == reflect.Slice && value.Len() == 0, f.typ == typeSecret, f.typ == reflect.TypeFor[[]ClientSecret]():
		case f.typ == typeDuration:
			document[f.key] = short(time.Duration(value.Int()))
		case f.typ == typeScopes:
			document[f.key] = c.Scope.String()
		default:
			document[f.key] = value.Interface()
		}
	}
	return json.Marshal(document)
}
