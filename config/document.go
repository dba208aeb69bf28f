package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// document is a configuration file on its way into a struct, and what is wrong with it. What a file
// may say is known from the struct alone: authzd.yaml and bff.yaml share everything here.
//
//	parse ─> decode ─> applyEnv          fillFrom; then complete, check and warn of each file
type document struct {
	name         string            // of the configuration file
	file         string            // that is being decoded
	folder       string            // that names of files in it are relative to
	root         reflect.Value     // the struct
	origins      map[string]origin // by key; also tells what was given at all
	secretFiles  map[string]string // by key: files that hold a secret
	holdsSecrets bool              // the configuration file itself does
	errs         Errors
	prefix       string            // of the variables
	vars         map[string]string // variables that have set nothing yet
	settled      map[string]string // variables that have
	known        []string          // names that a variable could have

	// scopes has, by the key of a list of scopes, what describes them there: by scope and language, as in
	// scope_descriptions.
	scopes map[string]map[string]*ast.MappingValueNode
	// changing has, by the same key, the scopes that stand there with the member changes, in their order.
	changing map[string][]changingScope
}

// newDocument is for a file of this name that fills what root points to.
func newDocument(name string, root any, vars map[string]string, prefix string) document {
	return document{
		name:        name,
		file:        name,
		folder:      folderOf(name),
		root:        reflect.ValueOf(root).Elem(),
		origins:     map[string]origin{},
		secretFiles: map[string]string{},
		prefix:      prefix,
		vars:        vars,
		settled:     map[string]string{},
	}
}

// fillFrom sets what the text of the file and the variables say. It reports whether the text could be read at all.
func (d *document) fillFrom(data []byte) bool {
	tree := d.parse(data)
	if len(d.errs) > 0 {
		return false
	}
	d.decode(tree, d.root, field{}, "")
	d.applyEnv()
	return true
}
