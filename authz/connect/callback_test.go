package connect

import "testing"

func TestCallbackParams(t *testing.T) {
	for query, want := range map[string]string{
		"state=S&code=c": "code=c&state=S",
		"state=S&error=e&error_description=a%0D%0Ab%09c":          "error=e&error_description=a+b+c&state=S",
		"state=S&error=e&error_description=%zz":                   "error=e&error_description=&state=S",
		"state=S&error=e&error_description=a&error_description=b": "error=e&error_description=a&state=S",
		"state=S&state=T&code=c&x=%00&%zz=1&scope=a%0Ab":          "code=c&state=S&state=T",
		"": "",
	} {
		got, err := CallbackParams(query)
		if err != nil || got.Encode() != want {
			t.Errorf("%s: %q, %v; want %q", query, got.Encode(), err, want)
		}
	}
	for _, query := range []string{"state=%0A", "code=%zz&state=S", "iss=%00", "error=a%0Db"} {
		if got, err := CallbackParams(query); err == nil {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func FuzzCallbackParams(f *testing.F) {
	f.Add("state=S&error=access_denied&error_description=a%0D%0Ab")
	f.Fuzz(func(t *testing.T, query string) {
		params, err := CallbackParams(query)
		if err != nil {
			return
		}
		for name, values := range params {
			for _, v := range values {
				if !isClean(v) {
					t.Errorf("%s is %q", name, v)
				}
			}
		}
		if again, err := CallbackParams(params.Encode()); err != nil || again.Encode() != params.Encode() {
			t.Errorf("%v became %v, %v", params, again, err)
		}
	})
}
