package client

import (
	"fmt"
	"maps"
	"slices"
)

// Registry finds clients. It is safe for concurrent use.
type Registry struct {
	clients map[string]*Client
	origins map[string]bool
}

// NewRegistry refuses two clients of one id.
func NewRegistry(clients ...*Client) (*Registry, error) {
	r := &Registry{clients: map[string]*Client{}, origins: map[string]bool{}}
	for _, c := range clients {
		if r.clients[c.ID] != nil {
			return nil, fmt.Errorf("client %s is defined twice", c.ID)
		}
		r.clients[c.ID] = c
		for _, o := range c.AllowedOrigins {
			r.origins[o] = true
		}
	}
	return r, nil
}

// Get returns nil if there is no such client.
func (r *Registry) Get(id string) *Client { return r.clients[id] }

// HasOrigin tells whether any client calls from this web origin.
func (r *Registry) HasOrigin(origin string) bool { return r.origins[origin] }

// IDs returns the ids of all clients, sorted.
func (r *Registry) IDs() []string { return slices.Sorted(maps.Keys(r.clients)) }

// Each calls f for every client.
func (r *Registry) Each(f func(*Client)) {
	for _, c := range r.clients {
		f(c)
	}
}
