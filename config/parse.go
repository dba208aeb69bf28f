package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/authzd/authzd/authz/member"
)

// Bounds on a file. The YAML parser takes time quadratic in the members of a mapping and stack by
// the depth, so both are checked on its tokens.
const (
	maxFile    = 1 << 20 // bytes
	maxMembers = 25_000  // colons and commas
	maxDepth   = 32      // of brackets, and of list items begun on one line
)

// parse reads a YAML document into its tree, a mapping; nil if it is empty. Positions are kept, but nothing
// of the source text gets into an error: it may be a secret.
func (d *document) parse(data []byte) ast.Node {
	if len(data) > maxFile {
		d.syntax(nil, problemf("let clients and users that come and go be made by the admin API", "larger than %d bytes", maxFile))
		return nil
	}
	if !utf8.Valid(data) {
		d.syntax(nil, problemf("save the file as UTF-8", "not UTF-8 text"))
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	tokens := lexer.Tokenize(string(data))
	if !d.bounded(tokens) {
		return nil
	}
	// Duplicate keys are found in decode, all of them.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at *token.Token
		reason := "not YAML"
		var yamlErr yaml.Error
		if errors.As(err, &yamlErr) { // its Error method would quote the source
			at, reason = yamlErr.GetToken(), "not YAML: "+yamlErr.GetMessage()
		}
		d.syntax(at, problemf("look at the indentation, brackets and quotes here and just above", "%s", reason))
		return nil
	}
	var root ast.Node
	for i, doc := range file.Docs {
		if i > 0 {
			d.syntax(doc.Start, problemf("remove what follows the line ---", "a second document"))
			break
		}
		root = doc.Body
	}
	if _, ok := pairs(root); root != nil && !ok {
		d.syntax(root.GetToken(), problemf("begin it with keys, such as issuer", "expected a mapping, found %s", kind(root)))
	}
	return root
}

// bounded refuses what a configuration has no use for: aliases (and with them the bombs), tags,
// directives, and depth.
func (d *document) bounded(tokens token.Tokens) bool {
	var (
		members, brackets, items int
		line                     int // on which items counts
		before                   = len(d.errs)
	)
	for _, t := range tokens {
		if t.Position.Line != line {
			line, items = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingValueType, token.CollectEntryType:
			members++
		case token.SequenceEntryType:
			items++
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		default:
			d.syntax(t, unsupported(t))
		}
		if members > maxMembers || brackets > maxDepth || items > maxDepth {
			d.syntax(t, problemf("let clients and users that come and go be made by the admin API", "too many keys, or too deep"))
			return false
		}
	}
	return len(d.errs) == before
}

func unsupported(t *token.Token) *member.Flaw {
	what := ""
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		what = "anchors and aliases"
	case token.TagType:
		what = "tags"
	case token.DirectiveType:
		what = "directives"
	case token.MappingKeyType:
		what = "keys with a question mark"
	default:
		return nil
	}
	return problemf("write the value out, or quote it if this character belongs to it", "%s are not supported", what)
}

// syntax reports what is wrong with the text, as opposed to a key.
func (d *document) syntax(at *token.Token, p *member.Flaw) {
	const most = 20 // beyond these the file is no configuration
	if p == nil || len(d.errs) >= most {
		return
	}
	err := &Error{File: d.file, Reason: p.Reason, Hint: p.Hint}
	if at != nil {
		err.Line, err.Column = at.Position.Line, at.Position.Column
	}
	d.add(err)
}

// text is the value of a scalar as it was written: numbers and booleans are not interpreted.
func text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return splitText(n)
}

// splitText mends what the parser breaks: in a list within braces, as in {uris: [http://a:80/b]},
// it takes an unquoted a:b for a pair, where YAML demands a space after the colon (1.2.2 section
// 7.3.3).
func splitText(n ast.Node) (string, bool) {
	members, _ := pairs(n)
	if len(members) != 1 || n.GetToken().Type != token.MappingValueType { // which a brace is not
		return "", false
	}
	key, colon, first := members[0].Key.GetToken(), members[0].Start, members[0].Value.GetToken()
	value, ok := text(members[0].Value)
	if !ok || isQuoted(key) || isQuoted(first) {
		return "", false
	}
	width := utf8.RuneCountInString(key.Value)
	touching := key.Position.Line == first.Position.Line &&
		colon.Position.Column == key.Position.Column+width && first.Position.Column == colon.Position.Column+1
	return key.Value + ":" + value, touching
}

func isQuoted(t *token.Token) bool {
	return t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
}

// isEmpty tells whether a node holds nothing: a key with such a value counts as not given.
func isEmpty(n ast.Node) bool {
	if n == nil || n.Type() == ast.NullType {
		return true
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		return len(seq.Values) == 0
	}
	s, ok := text(n)
	return ok && s == ""
}

// pairs are the members of a mapping.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// keyOf is the key of a member, fit to be shown: no key that means something is long or odd.
func keyOf(m *ast.MappingValueNode) string {
	const most = 64 // bytes
	key := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, m.Key.GetToken().Value)
	if len(key) > most {
		return strings.ToValidUTF8(key[:most], "") + "…"
	}
	return key
}

// kind names what a node is, for an error.
func kind(n ast.Node) string {
	if _, ok := pairs(n); ok {
		return "a mapping"
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		return "a list"
	}
	return "a single value"
}

// position of a node; of its first key if it is a mapping, whose own token is a colon.
func position(n ast.Node) *token.Position {
	if members, ok := pairs(n); ok && len(members) > 0 {
		if m, ok := n.(*ast.MappingNode); !ok || !m.IsFlowStyle {
			return members[0].Key.GetToken().Position
		}
	}
	return n.GetToken().Position
}

func child(path, key string) string { return member.Child(path, key) }

func element(path string, i int) string { return member.Element(path, i) }
