package relay

import (
	"io"
	"log"
	"sync"
)

const bufferBytes = 32 << 10 // of an answer on its way

// pool keeps the buffers of ReverseProxy.
type pool struct{ sync.Pool }

var buffers = &pool{sync.Pool{New: func() any { b := make([]byte, bufferBytes); return &b }}}

func (p *pool) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *pool) Put(b []byte) { p.Pool.Put(&b) }

// quietLog is for what ReverseProxy reports of connections that break. The request's event has it.
var quietLog = log.New(io.Discard, "", 0)
