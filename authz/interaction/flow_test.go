package interaction

import (
	"reflect"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authorize"
)

// Nothing of a flow is lost on its way through a URL: two members must not have one name.
func TestFlowIsWhole(t *testing.T) {
	for _, kept := range []any{flow{}, authorize.Carried{}, half{}} {
		names := map[string]string{}
		for _, member := range reflect.VisibleFields(reflect.TypeOf(kept)) {
			if member.Anonymous {
				continue
			}
			name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
			if name == "" {
				t.Errorf("%T: %s has no name", kept, member.Name)
			}
			if other, taken := names[name]; taken {
				t.Errorf("%T: %s and %s are both called %s", kept, other, member.Name, name)
			}
			names[name] = member.Name
		}
	}
}
