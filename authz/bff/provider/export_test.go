package provider

import "time"

// SigningKey is the id of the key that signs now.
func SigningKey(k *Key) string { return k.ring.Load().current(time.Now()).id }
