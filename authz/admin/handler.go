package admin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

// Limits of a request.
const (
	maxBody    = 1 << 20 // bytes
	maxSegment = 1024    // bytes of one name in the path
)

// Config is the input of NewHandler.
type Config struct {
	About  string // the program, in the OpenAPI document
	Routes []Route

	// Authorize returns the caller. Its error is a *Problem, or anything that AsProblem knows; then it has
	// set the challenge.
	Authorize func(w http.ResponseWriter, r *http.Request) (Actor, error)

	// Seal and Open protect page tokens. A sealed token opens only with the same binding.
	Seal func(plaintext, binding []byte) []byte
	Open func(sealed, binding []byte) ([]byte, error)

	// AsProblem makes a problem of another error. It may read anything in it, but must not reveal private
	// causes.
	AsProblem func(error) *Problem

	// Started is called for each request with a known route. Failed is called for each request that is
	// answered with a problem, and fills in its request id.
	Started func(r *http.Request, route string)
	Failed  func(r *http.Request, p *Problem)
}

// Handler serves the routes, and the document that describes them at /openapi.json.
type Handler struct {
	config   Config
	router   *mux.Router
	routes   map[string]methods // by path
	document []byte
}

// methods are the routes of a path by their method.
type methods map[string]*Route

// NewHandler returns the handler of a table.
func NewHandler(c Config) (*Handler, error) {
	h := &Handler{config: c, router: mux.NewRouter().UseEncodedPath().SkipClean(true), routes: map[string]methods{}}
	var err error
	if h.document, err = OpenAPI(c.About, c.Routes); err != nil {
		return nil, err
	}
	for i := range c.Routes {
		route := &c.Routes[i]
		if h.routes[route.Path] == nil {
			h.routes[route.Path] = methods{}
			h.router.Path(route.Path).Name(route.Path)
		}
		if h.routes[route.Path][route.Method] != nil {
			return nil, fmt.Errorf("two routes for %s %s", route.Method, route.Path)
		}
		h.routes[route.Path][route.Method] = route
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
//
//	path ─> method ─> who asks? ─> query, headers, body ─> the operation ─> JSON
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := h.serve(w, r); err != nil {
		h.fail(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	var sameOrigin http.CrossOriginProtection
	if sameOrigin.Check(r) != nil {
		return &Problem{Status: http.StatusForbidden, Code: CodeForbidden, Detail: "The request was sent by another site."}
	}
	if r.URL.Path == "/openapi.json" && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(h.document)
		return nil
	}
	found, names, err := h.match(r)
	if err != nil {
		return err
	}
	route := found[r.Method]
	if route == nil {
		return methodNotAllowed(w, found)
	}
	h.config.Started(r, route.Name)
	actor, err := h.config.Authorize(w, r)
	if err != nil {
		return err
	}
	call, err := h.newCall(r, route, names)
	if err != nil {
		return err
	}
	call.Actor = actor
	if route.Operation.stream != nil {
		return h.stream(w, r, route, call)
	}
	body, err := readBody(w, r, route)
	if err != nil {
		return err
	}
	answer, err := route.Operation.run(r.Context(), call, body)
	if err != nil {
		return err
	}
	return write(w, route.Operation, answer)
}

// match finds the routes of a path, and the values of its names. A name is one segment, which may contain
// escapes.
func (h *Handler) match(r *http.Request) (methods, map[string]string, error) {
	notFound := &Problem{Status: http.StatusNotFound, Code: CodeNotFound, Detail: "There is nothing at this address.", Hint: "/openapi.json lists all addresses"}
	var found mux.RouteMatch
	if !h.router.Match(r, &found) {
		return nil, nil, notFound
	}
	names := map[string]string{}
	for name, escaped := range found.Vars {
		value, err := url.PathUnescape(escaped)
		if err != nil || value == "" || len(value) > maxSegment {
			return nil, nil, notFound
		}
		names[name] = value
	}
	return h.routes[found.Route.GetName()], names, nil
}

func methodNotAllowed(w http.ResponseWriter, found methods) error {
	allowed := strings.Join(slices.Sorted(maps.Keys(found)), ", ")
	w.Header().Set("Allow", allowed)
	return &Problem{Status: http.StatusMethodNotAllowed, Code: CodeMethodNotAllowed, Detail: "This address takes " + allowed + "."}
}

func (h *Handler) newCall(r *http.Request, route *Route, names map[string]string) (*Call, error) {
	call := &Call{path: names, slice: Slice{Size: DefaultPageSize}, ifMatch: strings.Join(r.Header.Values("If-Match"), ",")}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "The query cannot be read."}
	}
	var errs []FieldError
	for name, values := range query {
		known := slices.Contains(route.Query, name) || route.Operation.paged && (name == "page_size" || name == "page_token")
		if !known || len(values) != 1 {
			errs = append(errs, FieldError{Pointer: "?" + escapePointer(name), Detail: "unknown parameter, or given twice"})
		}
	}
	token := query.Get("page_token")
	if raw := query.Get("page_size"); raw != "" {
		if call.slice.Size, err = strconv.Atoi(raw); err != nil || call.slice.Size < 1 || call.slice.Size > MaxPageSize {
			errs = append(errs, FieldError{Pointer: "?page_size", Detail: fmt.Sprintf("must be 1 to %d", MaxPageSize)})
		}
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
		return nil, &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "The query has wrong parameters.", Errors: errs}
	}
	query.Del("page_token")
	query.Del("page_size")
	call.Query = query
	binding := []byte(route.Name + "?" + query.Encode()) // sorted
	call.seal = func(plaintext []byte) []byte { return h.config.Seal(plaintext, binding) }
	if token != "" {
		if call.slice.After, err = h.openPageToken(token, binding); err != nil {
			return nil, err
		}
	}
	if route.Operation.mustMatch && call.ifMatch == "" {
		return nil, &Problem{Status: http.StatusPreconditionRequired, Code: CodePreconditionRequired,
			Detail: "Name the version of the record that you want to replace in If-Match.", Hint: "its etag is in the answer of GET"}
	}
	return call, nil
}

func (h *Handler) openPageToken(token string, binding []byte) (string, error) {
	invalid := &Problem{Status: http.StatusBadRequest, Code: CodeInvalidPageToken, Detail: "The page_token is not one of this list.", Hint: "begin again without it"}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", invalid
	}
	after, err := h.config.Open(sealed, binding)
	if err != nil {
		return "", invalid
	}
	return string(after), nil
}

// readBody reads the body that the operation expects, and refuses a body if it expects none.
func readBody(w http.ResponseWriter, r *http.Request, route *Route) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Code: CodeTooLarge, Detail: "The body is larger than 1 MiB."}
	} else if err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "The body could not be read.", cause: err}
	}
	if route.Operation.in == nil {
		if len(body) > 0 {
			return nil, &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "This operation takes no body."}
		}
		return nil, nil
	}
	want := "application/json"
	if route.Operation.patch {
		want = "application/merge-patch+json"
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != want || r.Header.Get("Content-Encoding") != "" { // RFC 9110 section 15.5.16
		return nil, &Problem{Status: http.StatusUnsupportedMediaType, Code: CodeUnsupportedMediaType, Detail: "The body must be " + want + ", as it is."}
	}
	return body, nil
}

// write answers with a document, and the etag that it has.
func write(w http.ResponseWriter, o Operation, answer any) error {
	if o.out == nil {
		w.WriteHeader(o.status)
		return nil
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	var tagged struct {
		ETag string `json:"etag"`
	}
	if json.Unmarshal(body.Bytes(), &tagged) == nil && tagged.ETag != "" {
		w.Header().Set("ETag", tagged.ETag)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(o.status)
	_, _ = w.Write(body.Bytes()) // the caller may have gone
	return nil
}

// stream answers with a stream. Once it has begun, a failure cuts the connection.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, route *Route, call *Call) error {
	w.Header().Set("Content-Type", route.Operation.mediaType)
	begun := &begun{ResponseWriter: w}
	err := route.Operation.stream(r.Context(), call, begun)
	if err == nil || !begun.yes {
		return err
	}
	p := *h.problemOf(err)
	h.config.Failed(r, &p)
	panic(http.ErrAbortHandler)
}

// begun records that an answer is under way.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter } // for http.ResponseController

// problemOf returns an error in the form for the caller.
func (h *Handler) problemOf(err error) *Problem {
	p := new(Problem)
	if !errors.As(err, &p) {
		p = h.config.AsProblem(err)
		p.cause = err
	}
	return p
}

// fail is the one exit for errors.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	told := *h.problemOf(err) // one problem may serve many requests
	told.Type, told.Title = problemPrefix+told.Code, cmp.Or(told.Title, http.StatusText(told.Status))
	h.config.Failed(r, &told)
	if told.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, err := json.Marshal(&told)
	if err != nil { // strings and a number always encode
		panic(fmt.Sprintf("encode problem: %v", err))
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(told.Status)
	_, _ = w.Write(body)
}
