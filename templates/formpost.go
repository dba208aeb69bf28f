package templates

import (
	"errors"
	"html/template"
)

// FormPost sends an authorization response to the client by a form that submits itself (OAuth 2.0 Form Post
// Response Mode). The caller must have compared Action with the client's registered redirect URIs. Every
// scheme is used as it is, except script-bearing ones, which are refused.
type FormPost struct {
	UILocales string
	Client    *Client
	Action    string
	Params    map[string]string
}

func (p FormPost) meta() meta {
	m := meta{template: "form-post", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin(), script: submitScript}
	if bearsScript(p.Action) {
		m.err = errors.New("the form's action bears a script")
	}
	return m
}

// SafeAction is Action for the template, which would otherwise replace private-use schemes.
func (p FormPost) SafeAction() template.URL { return template.URL(p.Action) }

// Script is the script whose hash the policy names.
func (p FormPost) Script() template.JS { return submitScript }

// submitScript submits the form even if a parameter is named "submit".
const submitScript = "HTMLFormElement.prototype.submit.call(document.forms[0])"
