package acceptance

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/authzd/authzd/authz/bearer"
)

// mcpCallback is where the client on the user's machine takes the code. Nobody needs to listen there.
const mcpCallback = "http://127.0.0.1:33418/callback"

// newMCPServer is a server of the Model Context Protocol that authz/bearer guards: stateless, with one
// tool, which tells who calls. protect must be called before the first request.
func newMCPServer(t *testing.T) (resource string, protect func(issuer string)) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	resource = server.URL + "/mcp"
	return resource, func(issuer string) {
		verifier, err := bearer.New(bearer.Config{
			Issuer: issuer, Audience: resource,
			Metadata: &bearer.Metadata{Name: "Tools", Scopes: []string{"openid", "offline_access", "tools.call"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle(verifier.Metadata())
		mux.Handle("/mcp", verifier.Protect(bearer.RequireScope("tools.call")(http.HandlerFunc(serveMCP))))
	}
}

// serveMCP answers each JSON-RPC request by itself (Streamable HTTP without streams).
func serveMCP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"params"`
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, "not JSON-RPC", http.StatusBadRequest)
		return
	}
	caller, _ := bearer.FromContext(r.Context())
	var result any
	switch call.Method {
	case "initialize":
		result = map[string]any{
			"protocolVersion": call.Params.ProtocolVersion, "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]any{"name": "tools", "version": "1"},
		}
	case "tools/list":
		result = map[string]any{"tools": []any{map[string]any{"name": "whoami", "inputSchema": map[string]any{"type": "object"}}}}
	case "tools/call":
		result = map[string]any{"content": []any{map[string]any{"type": "text", "text": caller.Subject + " by " + caller.ClientID}}}
	default: // a notification
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": call.ID, "result": result}) // the client may have gone
}

// The MCP SDK finds its way from the URL of an MCP server to a tool (MCP authorization, 2025-11-25):
// the server's metadata, ours, a client_id, a sign-in, a token for this server alone.
func TestMCP(t *testing.T) {
	t.Parallel()
	const registration = `
registration: {mode: open, resources: [%s]}
`
	t.Run("dynamic registration", func(t *testing.T) {
		resource, protect := newMCPServer(t)
		s := startServerFor(t, mcpResource(resource), "", fmt.Sprintf(registration, resource))
		protect(s.issuer)
		party{"mcp.mjs", url.Values{"MCP_SERVER": {resource}, "REDIRECT_URI": {mcpCallback}}}.run(t, s, newBrowser(t, s))
	})
	t.Run("client ID metadata document", func(t *testing.T) {
		resource, protect := newMCPServer(t)
		site, ca := newDocumentSite(t)
		s := startServerFor(t, mcpResource(resource), "", fmt.Sprintf(`
client_id_metadata_documents: true
registration: {resources: [%s]}
outbound: {allow_private_networks: [127.0.0.0/8], ca_file: %s}
`, resource, ca))
		protect(s.issuer)
		party{"mcp.mjs", url.Values{
			"MCP_SERVER": {resource}, "REDIRECT_URI": {mcpCallback}, "CLIENT_METADATA_URL": {site + "/client.json"},
		}}.run(t, s, newBrowser(t, s))
	})
}

func mcpResource(resource string) string {
	return fmt.Sprintf(`  - {resource: %q, name: Tools, scopes: [tools.call]}`, resource)
}

// newDocumentSite publishes the metadata of a client over https, and returns the file with the
// authority that vouches for it.
func newDocumentSite(t *testing.T) (site, caFile string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the server may have gone
			"client_id": server.URL + "/client.json", "client_name": "Inspector", "redirect_uris": []string{"http://127.0.0.1/callback"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
		})
	}))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, caFile
}
