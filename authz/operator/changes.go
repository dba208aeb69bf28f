package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// changes returns the details of an audit event: the names of the members in which two states of an object
// differ. It leaves the values out, since they may be personal. It returns nil if there are none.
func changes(before, after any) map[string]string {
	old, now := membersOf(before), membersOf(after)
	names := make(map[string]bool)
	for name, value := range old {
		names[name] = !bytes.Equal(value, now[name])
	}
	for name, value := range now {
		names[name] = !bytes.Equal(value, old[name])
	}
	maps.DeleteFunc(names, func(_ string, differs bool) bool { return !differs })
	if len(names) == 0 {
		return nil
	}
	return map[string]string{"members": strings.Join(slices.Sorted(maps.Keys(names)), " ")}
}

// membersOf encodes an object member by member.
func membersOf(object any) (members map[string]json.RawMessage) {
	text, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil { // they are objects of the admin API, which encode
		panic(fmt.Sprintf("encode an object: %v", err))
	}
	return members
}
