package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
)

// Route is one operation of the API. Handler and OpenAPI need only a table of them: that of
// package operator, or of authz/bff/operator.
type Route struct {
	Name      string // in the log, in metrics, and the operationId of the OpenAPI document
	Method    string
	Path      string // with names in braces, such as /v1/clients/{client_id}
	Summary   string
	Operation Operation
	Query     []string // the parameters of the query, besides those of pages
}

// NewRoute makes a line of the table.
func NewRoute(name, method, path, summary string, o Operation, query ...string) Route {
	return Route{Name: name, Method: method, Path: path, Summary: summary, Operation: o, Query: query}
}

// Operation is what a route does. One of the functions below makes it from a function that takes the request
// and returns the answer.
type Operation struct {
	run       func(ctx context.Context, c *Call, body []byte) (any, error)
	stream    func(ctx context.Context, c *Call, w http.ResponseWriter) error // used instead of run
	in, out   reflect.Type                                                    // nil: no body
	status    int                                                             // of a success
	mediaType string                                                          // of the answer; empty: JSON
	paged     bool
	patch     bool // the body is a JSON merge patch of in
	mustMatch bool // If-Match is required
}

// List answers with a page. The function returns up to page.Size items, and the key to go on after, or "" at
// the end.
func List[Out any](f func(ctx context.Context, c *Call, page Slice) (items []Out, next string, err error)) Operation {
	run := func(ctx context.Context, c *Call, _ []byte) (any, error) {
		items, next, err := f(ctx, c, c.slice)
		if err != nil {
			return nil, err
		}
		if items == nil {
			items = []Out{}
		}
		return &Page[Out]{Items: items, NextPageToken: c.pageToken(next)}, nil
	}
	return Operation{run: run, out: reflect.TypeFor[Page[Out]](), status: http.StatusOK, paged: true}
}

// Read answers with one record.
func Read[Out any](f func(ctx context.Context, c *Call) (*Out, error)) Operation {
	run := func(ctx context.Context, c *Call, _ []byte) (any, error) { return f(ctx, c) }
	return Operation{run: run, out: reflect.TypeFor[Out](), status: http.StatusOK}
}

// Create makes a record and answers with it.
func Create[In, Out any](f func(ctx context.Context, c *Call, in *In) (*Out, error)) Operation {
	o := Act(f)
	o.status = http.StatusCreated
	return o
}

// Replace sets all of a record, if it is the version that the caller knows: If-Match is required.
func Replace[In, Out any](f func(ctx context.Context, c *Call, in *In) (*Out, error)) Operation {
	o := Act(f)
	o.mustMatch = true
	return o
}

// Patch changes a record by a JSON merge patch (RFC 7396) of its In.
func Patch[In, Out any](f func(ctx context.Context, c *Call, patch MergePatch) (*Out, error)) Operation {
	run := func(ctx context.Context, c *Call, body []byte) (any, error) {
		patch, err := parsePatch(body)
		if err != nil {
			return nil, err
		}
		return f(ctx, c, patch)
	}
	return Operation{run: run, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), status: http.StatusOK, patch: true}
}

// Act does something that the body describes, and answers with a document.
func Act[In, Out any](f func(ctx context.Context, c *Call, in *In) (*Out, error)) Operation {
	run := func(ctx context.Context, c *Call, body []byte) (any, error) {
		in := new(In)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		return f(ctx, c, in)
	}
	return Operation{run: run, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), status: http.StatusOK}
}

// Order does something that the body describes, and answers with nothing.
func Order[In any](f func(ctx context.Context, c *Call, in *In) error) Operation {
	o := Act(func(ctx context.Context, c *Call, in *In) (*struct{}, error) { return nil, f(ctx, c, in) })
	o.out, o.status = nil, http.StatusNoContent
	return o
}

// Do does something that the path names, such as deleting it, and answers with nothing.
func Do(f func(ctx context.Context, c *Call) error) Operation {
	run := func(ctx context.Context, c *Call, _ []byte) (any, error) { return nil, f(ctx, c) }
	return Operation{run: run, status: http.StatusNoContent}
}

// Stream answers with something other than JSON, as it comes. Before the first byte, an error becomes a
// problem. After it, the connection is cut, so that nobody takes the beginning for the whole.
func Stream(mediaType string, f func(ctx context.Context, c *Call, w http.ResponseWriter) error) Operation {
	return Operation{stream: f, status: http.StatusOK, mediaType: mediaType}
}

// MergePatch is a JSON merge patch (RFC 7396).
type MergePatch map[string]json.RawMessage
