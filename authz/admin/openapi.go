package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
)

type object = map[string]any

var (
	typeTime     = reflect.TypeFor[time.Time]()
	typeRaw      = reflect.TypeFor[json.RawMessage]()
	typeJWKS     = reflect.TypeFor[client.JWKS]()
	typeScopes   = reflect.TypeFor[member.Scopes]()
	typeDuration = reflect.TypeFor[member.Duration]()
)

// OpenAPI returns the OpenAPI 3.1 document of a table. about says what program it operates. Its schemas come from the Go types, so it always says
// what the handler does.
func OpenAPI(about string, routes []Route) ([]byte, error) {
	b := &documentBuilder{schemas: object{}, names: map[string]reflect.Type{}}
	paths := object{"/openapi.json": object{"get": object{
		"operationId": "openapi", "summary": "This document.",
		"responses": object{"200": object{"description": "OK", "content": object{"application/json": object{"schema": object{"type": "object"}}}}},
	}}}
	for _, route := range routes {
		path, _ := paths[route.Path].(object)
		if path == nil {
			path = object{}
			paths[route.Path] = path
		}
		path[strings.ToLower(route.Method)] = b.operation(route)
	}
	b.schemas["Problem"] = b.structure(reflect.TypeFor[Problem](), false)
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "authzd admin API", "version": "1",
			"description": about,
		},
		"paths": paths,
		"components": object{
			"schemas": b.schemas,
			"responses": object{"Problem": object{
				"description": "It was refused, or has failed (RFC 9457).",
				"content":     object{problemType: object{"schema": reference("Problem")}},
			}},
			"securitySchemes": object{"token": object{
				"type": "http", "scheme": "bearer", "description": "Not needed at the socket.",
			}},
		},
		"security": []object{{"token": []string{}}, {}},
	}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode OpenAPI document: %w", err)
	}
	return append(text, '\n'), nil
}

type documentBuilder struct {
	schemas object
	names   map[string]reflect.Type // of finished schemas
}

var pathName = regexp.MustCompile(`\{(\w+)\}`)

func (b *documentBuilder) operation(route Route) object {
	var parameters []object
	for _, name := range pathName.FindAllStringSubmatch(route.Path, -1) {
		parameters = append(parameters, parameter("path", name[1], object{"type": "string", "minLength": 1}, true))
	}
	for _, name := range route.Query {
		parameters = append(parameters, parameter("query", name, object{"type": "string"}, false))
	}
	o := route.Operation
	if o.paged {
		parameters = append(parameters,
			parameter("query", "page_size", object{"type": "integer", "minimum": 1, "maximum": MaxPageSize, "default": DefaultPageSize}, false),
			parameter("query", "page_token", object{"type": "string"}, false))
	}
	if o.mustMatch || o.patch || route.Method == http.MethodDelete {
		parameters = append(parameters, parameter("header", "If-Match", object{"type": "string"}, o.mustMatch))
	}
	described := object{"operationId": route.Name, "summary": route.Summary, "responses": b.responses(o)}
	if parameters != nil {
		described["parameters"] = parameters
	}
	if o.in != nil {
		mediaType, schema := "application/json", b.reference(o.in)
		if o.patch {
			mediaType, schema = "application/merge-patch+json", b.patch(o.in)
		}
		described["requestBody"] = object{"required": true, "content": object{mediaType: object{"schema": schema}}}
	}
	return described
}

func parameter(in, name string, schema object, required bool) object {
	return object{"in": in, "name": name, "schema": schema, "required": required}
}

func (b *documentBuilder) responses(o Operation) object {
	success := object{"description": http.StatusText(o.status)}
	switch {
	case o.stream != nil:
		success["content"] = object{o.mediaType: object{}}
	case o.out != nil:
		success["content"] = object{"application/json": object{"schema": b.reference(o.out)}}
	}
	return object{
		fmt.Sprint(o.status): success,
		"default":            object{"$ref": "#/components/responses/Problem"},
	}
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// reference returns the schema of a type, by its name.
func (b *documentBuilder) reference(t reflect.Type) object {
	name := schemaName(t)
	if known := b.names[name]; known == nil {
		b.names[name] = t
		b.schemas[name] = b.structure(t, true)
	} else if known != t {
		panic("two types are called " + name)
	}
	return reference(name)
}

// patch returns the schema of a merge patch of a type: each member may be null.
func (b *documentBuilder) patch(t reflect.Type) object {
	name := schemaName(t) + "Patch"
	if b.names[name] == nil {
		b.names[name] = t
		properties := object{}
		for _, f := range fieldsOf(t) {
			properties[jsonName(f)] = object{"anyOf": []object{b.value(f.Type, f), {"type": "null"}}}
		}
		b.schemas[name] = object{"type": "object", "properties": properties, "additionalProperties": false}
	}
	return reference(name)
}

// schemaNames has names for types of other packages.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[client.Metadata](): "ClientMetadata",
	reflect.TypeFor[users.User]():      "UserData",
}

// schemaName returns the name of a type; that of Page[OAuthClient] is OAuthClientPage.
func schemaName(t reflect.Type) string {
	if name := schemaNames[t]; name != "" {
		return name
	}
	name := t.Name()
	if base, argument, ok := strings.Cut(name, "["); ok {
		argument = strings.TrimSuffix(argument, "]")
		name = argument[strings.LastIndexByte(argument, '.')+1:] + base
	}
	return name
}

// structure returns the schema of a struct. Members that the JSON may leave out are not required.
func (b *documentBuilder) structure(t reflect.Type, closed bool) object {
	properties := object{}
	var required []string
	for _, f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = b.value(f.Type, f)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if required != nil {
		schema["required"] = required
	}
	if closed {
		schema["additionalProperties"] = false
	}
	return schema
}

func (b *documentBuilder) value(t reflect.Type, f reflect.StructField) object {
	schema := object{}
	switch {
	case t.Kind() == reflect.Pointer:
		return b.value(t.Elem(), f)
	case t == typeTime:
		schema["type"], schema["format"] = "string", "date-time"
	case t == typeRaw, t == typeJWKS:
		schema["type"] = "object"
	case t.Kind() == reflect.String, t == typeScopes, t == typeDuration:
		schema["type"] = "string"
	case t.Kind() == reflect.Bool:
		schema["type"] = "boolean"
	case t.Kind() == reflect.Slice:
		schema["type"], schema["items"] = "array", b.value(t.Elem(), reflect.StructField{})
	case t.Kind() == reflect.Struct:
		return b.reference(t)
	case t.Kind() == reflect.Map:
		schema["type"], schema["additionalProperties"] = "object", b.value(t.Elem(), reflect.StructField{})
	default:
		schema["type"] = "integer"
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		schema["enum"] = strings.Split(enum, ",")
	}
	return schema
}
