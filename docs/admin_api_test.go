package docs

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The page of the admin API names every path of it. Those of the audit log, backups and the store have pages of their own.
func TestAdminAPIIsDescribed(t *testing.T) {
	var api struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	text, err := os.ReadFile("admin-api.openapi.json")
	if err == nil {
		err = json.Unmarshal(text, &api)
	}
	if err != nil || len(api.Paths) == 0 {
		t.Fatal(len(api.Paths), err)
	}
	page := recipes(t)["admin-api.md"]
	for path := range api.Paths {
		if strings.HasPrefix(path, "/v1/audit/") || strings.HasPrefix(path, "/v1/store/") {
			continue
		}
		name := ""
		for part := range strings.SplitSeq(path, "/") {
			if part != "" && part[0] != '{' {
				name = part
			}
		}
		if !strings.Contains(page, "/"+name) {
			t.Errorf("admin-api.md lacks %s", path)
		}
	}
}
