package postgres

import (
	"context"
	"slices"

	"github.com/authzd/authzd/storage"
)

const (
	// groups is how many are under way at most, each on another connection.
	groups = 4
	// maxGroup and maxGroupBytes bound how long the first Apply of a group waits for the last.
	maxGroup      = 256
	maxGroupBytes = 1 << 20 // of values
	// maxLosers is how many members a group may lose to conflicts before each goes alone, so that a caller
	// who provokes conflicts can't hold up others.
	maxLosers = 2
)

// apply is an Apply that waits for its group.
type apply struct {
	changes []change
	outcome chan error // takes one; a *storage.ConflictError is final, after any other error the Apply goes alone
}

// size is the bytes of its values.
func (a *apply) size() (n int) {
	for _, c := range a.changes {
		n += len(c.Value)
	}
	return n
}

// pickGroup takes the Applies that can share a transaction, in order of arrival. Of several that change the
// same record it takes the first, because the conditions of the others depend on it.
func pickGroup(waiting []*apply) (group, rest []*apply) {
	type record struct {
		table storage.Table
		key   string
	}
	taken := make(map[record]bool)
	bytes := 0
	for _, a := range waiting {
		bytes += a.size()
		full := len(group) == maxGroup || len(group) > 0 && bytes > maxGroupBytes
		if full || slices.ContainsFunc(a.changes, func(c change) bool { return taken[record{c.Table, c.Key}] }) {
			rest = append(rest, a)
		} else {
			group = append(group, a)
		}
		for _, c := range a.changes { // of the remaining ones too: the next must not overtake them
			taken[record{c.Table, c.Key}] = true
		}
	}
	return group, rest
}

// applyAll is the first attempt of a group: all changes of all members in one transaction, with one commit.
// If a condition does not hold, nothing was made. That Apply has lost, and the others try again.
func (s *Store) applyAll(group []*apply) {
	for losers := 0; ; losers++ {
		changes := merge(group)
		at, err := s.sendFirst(changes)
		loser := -1
		if err != nil && fateOf(err) == lost {
			loser = slices.IndexFunc(group, func(a *apply) bool {
				return slices.ContainsFunc(a.changes, func(c change) bool { return inOrder(c, changes[at]) == 0 })
			})
			group[loser].outcome <- conflict(changes[at])
			group = slices.Delete(group, loser, loser+1)
		}
		if loser < 0 || losers == maxLosers || len(group) == 0 {
			for _, a := range group {
				a.outcome <- err
			}
			return
		}
	}
}

// merge returns the changes of a group in the order that all callers use.
func merge(group []*apply) (changes []change) {
	if len(group) == 1 {
		return group[0].changes
	}
	for _, a := range group {
		changes = append(changes, a.changes...)
	}
	slices.SortFunc(changes, inOrder)
	return changes
}

func (s *Store) sendFirst(changes []change) (at int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return 0, &notSentError{err}
	}
	at, err = s.send(context.WithoutCancel(ctx), conn, changes)
	if err == nil {
		s.groups.Add(1)
		s.starved.Store(false)
	}
	return at, err
}
