package interaction

import (
	"context"
	"slices"
	"testing"
)

// AddStep adds a line to the table of steps, before the consent, for the time of a test.
func AddStep(t *testing.T, page, code string, missing func() bool) {
	before := steps
	t.Cleanup(func() { steps = before })
	steps = slices.Insert(slices.Clone(steps), len(steps)-1, step{page, code, "The user must take another step.", func(_ *Interaction, _ context.Context, p *pending) (bool, error) {
		return missing(), nil
	}})
}
