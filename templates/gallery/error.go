package gallery

import "github.com/authzd/authzd/templates"

func errorPages() map[string]templates.Page {
	return map[string]templates.Page{
		"error":                   templates.Error{Code: "redirect_uri_mismatch", Client: &someClient, BackURL: "https://app.example.com/"},
		"error, and how to go on": templates.Error{Code: "sign_in_expired", AgainURL: "https://id.example.com/authorize?client_id=a&state=b"},
		"error, explained": templates.Error{Code: "redirect_uri_mismatch", Detail: &templates.ErrorDetail{
			Explanation: "It is not registered.", Parameter: "redirect_uri", Received: "https://app.example.com/calback",
			Registered: []string{"https://app.example.com/callback", "http://localhost/"}, Nearest: "https://app.example.com/callback",
			Fix: "authzd client update spa"}},
		"error, unknown client": templates.Error{Code: "invalid_scope", Client: &stranger, Answer: &templates.Answer{URL: "https://app.example.net/cb?error=invalid_scope&state=s"}},
		"error, to be posted": templates.Error{Code: "invalid_scope", Client: &stranger,
			Answer: &templates.Answer{URL: "com.example.app:/cb", Fields: map[string]string{"error": "invalid_scope", "state": "s"}}},
		"error, no redirect_uri": templates.Error{Code: "invalid_request", Reason: "redirect_uri_missing"},
	}
}
