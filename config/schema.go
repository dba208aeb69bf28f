package config

import (
	"embed"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/users"
)

// manual is the source of the types, whose comments the schema quotes. Those of clients, users and
// frontends are with their types.
//
//go:embed config.go entries.go accounts.go mtls.go kms.go mail.go bff.go
var manual embed.FS

// Schema is a JSON Schema (2020-12) of the file. It knows names and forms; the rules that connect
// several keys are Load's.
func Schema() ([]byte, error) {
	defaults := &loader{}
	defaults.complete()
	return schemaOf(&defaults.cfg, "authzd.yaml")
}

// schemaOf is the schema of a file that fills what defaults points to.
func schemaOf(defaults any, title string) ([]byte, error) {
	docs, err := readManual()
	if err != nil {
		return nil, err
	}
	b := &schemaBuilder{docs: docs, defs: object{}}
	root := b.mapping(reflect.ValueOf(defaults).Elem())
	maps.Copy(root, object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   title,
		"$defs":   b.defs,
	})
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

type object = map[string]any

type schemaBuilder struct {
	docs map[string]string // "Type.Field" -> comment
	defs object            // schemas of the types of entries
}

// mapping is the schema of a struct. v holds the defaults.
func (b *schemaBuilder) mapping(v reflect.Value) object {
	t := v.Type()
	properties := object{}
	var required []string
	for _, f := range fieldsOf(t) {
		doc := describe(b.docs[t.Name()+"."+f.name], f)
		schema := b.value(v.Field(f.index), f)
		schema["description"] = doc
		properties[f.key] = schema
		if f.typ == typeSecret {
			properties[f.fileKey()] = object{
				"type": "string", "description": "name of a file that holds the " + f.key + ", in its place",
			}
		}
		if f.required && f.typ != typeSecret { // which may be in a file
			required = append(required, f.key)
		}
	}
	schema := object{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		schema["required"] = required
	}
	return schema
}

// value is the schema of one key.
func (b *schemaBuilder) value(v reflect.Value, f field) object {
	switch {
	case isEntries(f.typ):
		entry := f.typ.Elem()
		name := defName(entry)
		if _, done := b.defs[name]; !done {
			b.defs[name] = b.mapping(reflect.Zero(entry))
		}
		return object{"type": "array", "items": object{"$ref": "#/$defs/" + name}}
	case isScalar(f.typ):
		return scalarSchema(v, f)
	case f.typ.Kind() == reflect.Struct:
		return b.mapping(v)
	case f.typ.Kind() == reflect.Map:
		return object{"type": "object", "additionalProperties": object{"type": "string"}}
	}
	list := object{"type": "array", "items": scalarSchema(reflect.Zero(f.typ.Elem()), f), "uniqueItems": true}
	if f.typ == typeScopeList {
		list["items"] = object{"anyOf": []object{{"type": "string"}, {
			"type": "object", "required": []string{"name"}, "additionalProperties": false,
			"properties":        object{"name": object{"type": "string"}, "description": object{"type": "string"}, "changes": object{"type": "boolean"}},
			"patternProperties": object{"^description#": object{"type": "string"}},
		}}}
	}
	if f.typ == typePaths {
		return object{"anyOf": []object{{"type": "string"}, list}, "default": v.Index(0).Interface()}
	}
	return list
}

// defName is what the schema calls the type of an entry.
func defName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[client.Metadata]():
		return "Client"
	case reflect.TypeFor[client.Secret]():
		return "ClientSecret"
	}
	return t.Name()
}

func scalarSchema(v reflect.Value, f field) object {
	schema := object{"type": "string"}
	switch {
	case v.Type() == typeDuration, v.Type() == typeLifetime, v.Type() == typeGrace:
		schema["pattern"] = `^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|ns))+$`
	case v.Type() == typeTime:
		schema["pattern"] = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`
	case v.Type() == typeJWKS:
		return jwksSchema()
	case v.Type() == typePrefix:
		schema["pattern"] = `^[0-9A-Fa-f:.]+/[0-9]+$`
	case v.Type() == typeNumber:
		schema["type"] = "integer"
	case v.Kind() == reflect.Bool, v.Type() == typeSwitch:
		schema["type"] = "boolean"
	}
	if f.enum != nil {
		schema["enum"] = f.enum
	}
	if v.IsZero() { // no default, or one that goes without saying
		return schema
	}
	if v.Type() == typeDuration {
		schema["default"] = short(time.Duration(v.Int()))
	} else {
		schema["default"] = v.Interface()
	}
	return schema
}

// describe turns the comment of a Go field into that of its key.
func describe(doc string, f field) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if rest, ok := strings.CutPrefix(doc, f.name+" "); ok {
		return f.key + " " + rest
	}
	return doc
}

// readManual collects the comments of all fields.
func readManual() (map[string]string, error) {
	docs := map[string]string{}
	readComments(docs, client.MetadataSource)
	readComments(docs, users.Source)
	readComments(docs, bff.ConfigSource)
	readComments(docs, gate.ConfigSource)
	readComments(docs, relay.RouteSource)
	readComments(docs, relay.AppSource)
	files, err := manual.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		source, err := manual.ReadFile(file.Name())
		if err != nil {
			return nil, err
		}
		readComments(docs, source)
	}
	return docs, nil
}

// readComments adds the comments of the fields in one source file.
func readComments(docs map[string]string, source []byte) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
	if err != nil {
		panic(err) // it has been compiled
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				if len(f.Names) > 0 { // an embedded one is of another type
					docs[spec.Name.Name+"."+f.Names[0].Name] = f.Doc.Text()
				}
			}
		}
		return false
	})
}
