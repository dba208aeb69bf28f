package blackbox

import (
	"os"
	"strconv"
)

// Many returns how much a test does: TEST_FULL=1 asks for the long run.
func Many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}
