package bearer

// recent keeps the values that were put or got last: max of them at most, and at least the last half. It is not
// safe for concurrent use. The zero value with a max is ready.
type recent[V any] struct {
	max        int
	young, old map[tokenHash]V
}

func (r *recent[V]) get(key tokenHash) (V, bool) {
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.put(key, v) // it outlives the old ones
	}
	return v, ok
}

func (r *recent[V]) put(key tokenHash, v V) {
	if r.young == nil || len(r.young) >= max(r.max/2, 1) {
		r.young, r.old = make(map[tokenHash]V), r.young
	}
	r.young[key] = v
}
