package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestPrintIsTheConfiguration proves that what is printed, with its secrets put back, loads as the
// same configuration.
func TestPrintIsTheConfiguration(t *testing.T) {
	data := exampleYAML(t)
	inExampleFolder(t)
	c, err := Parse("example.yaml", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"portal secret", "the one before", "alice's password", "google secret", "change me"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	if _, err := Parse("printed", text, nil); err == nil || !strings.Contains(err.Error(), "this is the mask") {
		t.Errorf("masks are taken for secrets: %v", err)
	}
	again, err := Parse("printed", []byte(restore(string(text))), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c.hide()
	again.hide()
	if !reflect.DeepEqual(c, again) {
		t.Errorf("printed and loaded again:\n%+v\nwas:\n%+v", again, c)
	}
}

// normalize makes empty lists and maps nil: to a configuration they are the same.
func normalize(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == typePrefix {
			return
		}
		for i := range v.NumField() {
			normalize(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			normalize(v.Index(i))
		}
		if v.Len() == 0 {
			v.SetZero()
		}
	case reflect.Map:
		if v.Len() == 0 {
			v.SetZero()
		}
	}
}
