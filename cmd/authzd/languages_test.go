package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/templates"
)

// The configuration knows the languages of the pages by a tag, because it does not import them.
func TestConfigurationKnowsLanguages(t *testing.T) {
	field, _ := reflect.TypeFor[config.Branding]().FieldByName("Languages")
	if known := strings.Split(field.Tag.Get("enum"), ","); !slices.Equal(known, templates.Languages()) {
		t.Errorf("known: %q, pages: %q", known, templates.Languages())
	}
}
