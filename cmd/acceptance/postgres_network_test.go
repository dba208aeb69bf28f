package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// A network that cuts, stalls, shreds and corrupts what goes between authzd and its database costs
// waiting time, and no promise. The connections are encrypted, or nobody would see the corruption.
func TestPostgresNetwork(t *testing.T) {
	db := pgtest.New(t, pgtest.Options{TLS: true})
	proxy := newToxicProxy(t, fmt.Sprintf("127.0.0.1:%d", db.Port))
	url := strings.Replace(db.Database(t), fmt.Sprintf(":%d/", db.Port), proxy.Listen[strings.LastIndex(proxy.Listen, ":"):]+"/", 1)
	s := startOnPostgres(t, url)
	faults := []fault{
		{"cut", func(*testing.T) { proxy.Stop() }, func(t *testing.T) {
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
		}},
		poison(proxy, "answers lost", "limit_data", "downstream", `{"bytes": 4000}`),
		poison(proxy, "requests lost", "limit_data", "upstream", `{"bytes": 5000}`),
		poison(proxy, "reset", "reset_peer", "downstream", `{"timeout": 30}`),
		poison(proxy, "silence", "timeout", "downstream", `{"timeout": 0}`),
		poison(proxy, "shredded", "slicer", "upstream", `{"average_size": 20, "size_variation": 10, "delay": 100}`),
		poison(proxy, "corrupted there", "corrupt", "upstream", `{}`),
		poison(proxy, "corrupted back", "corrupt", "downstream", `{}`),
	}
	outages(t, s, many(len(faults), 3*len(faults)), func(round int) {
		fault := faults[round%len(faults)]
		fault.make(t)
		<-time.After(300*time.Millisecond + rand.N(700*time.Millisecond))
		fault.mend(t)
	})
}

// fault is something that happens to a network, and passes.
type fault struct {
	name       string
	make, mend func(t *testing.T)
}

func init() { toxics.Register("corrupt", new(corruptToxic)) }

// corruptToxic turns over a bit in every tenth piece of a stream.
type corruptToxic struct{}

func (*corruptToxic) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if len(chunk.Data) > 0 && rand.IntN(10) == 0 {
				chunk = &stream.StreamChunk{Data: bytes.Clone(chunk.Data), Timestamp: chunk.Timestamp}
				chunk.Data[rand.IntN(len(chunk.Data))] ^= 1 << rand.IntN(8)
			}
			stub.Output <- chunk
		}
	}
}

// poison is the fault that a toxic of the proxy makes, for as long as it is there.
func poison(proxy *toxiproxy.Proxy, name, kind, direction, attributes string) fault {
	do := func(t *testing.T) {
		toxic := map[string]any{"name": kind, "type": kind, "stream": direction, "attributes": json.RawMessage(attributes)}
		text, err := json.Marshal(toxic)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	undo := func(t *testing.T) {
		if err := proxy.Toxics.RemoveToxic(t.Context(), kind); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return fault{name, do, undo}
}

// newToxicProxy is a proxy in front of an address, which does no harm yet.
func newToxicProxy(t *testing.T, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", upstream)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}
