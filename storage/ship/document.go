package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/authzd/authzd/storage/bolt"
)

// epoch names the node that may ship. Only the newest epoch counts.
type epoch struct {
	Number uint64    `json:"number"`
	Node   string    `json:"node"` // id of the primary, see node.go
	Host   string    `json:"host"` // its name, for people
	Since  time.Time `json:"since"`
}

// claim begins a generation. Its id is random, so a segment fits only its own generation.
type claim struct {
	Generation uint64        `json:"generation"`
	ID         string        `json:"id"`
	Secret     string        `json:"secret"` // id of the secret that signs the generation
	Epoch      uint64        `json:"epoch"`
	Host       string        `json:"host"`
	Begun      time.Time     `json:"begun"`
	After      bolt.Position `json:"after"` // of the store before the first group of the segments
}

// manifest completes the base of a generation.
type manifest struct {
	Generation uint64        `json:"generation"`
	Claim      digest        `json:"claim"`               // of the claim, as stored
	Continues  uint64        `json:"continues,omitempty"` // the generation whose segments lead to the base; 0: unknown
	Position   bolt.Position `json:"position"`            // of the base
	Taken      time.Time     `json:"taken"`               // no record in the base is from a later time
	Parts      []part        `json:"parts"`
}

// part is one object of a base.
type part struct {
	Bytes  int64  `json:"bytes"` // before encryption
	SHA256 digest `json:"sha256"`
}

// folders of a Destination.
const (
	epochsFolder      = "epochs"
	generationsFolder = "generations"
)

func number(n uint64) string           { return fmt.Sprintf("%010d", n) }
func epochName(n uint64) string        { return epochsFolder + "/" + number(n) }
func generationFolder(n uint64) string { return generationsFolder + "/" + number(n) }
func claimName(n uint64) string        { return generationFolder(n) + "/claim" }
func manifestName(n uint64) string     { return generationFolder(n) + "/manifest" }
func segmentsFolder(n uint64) string   { return generationFolder(n) + "/segments" }
func baseFolder(n uint64) string       { return generationFolder(n) + "/base" }

func segmentName(generation, n uint64) string { return segmentsFolder(generation) + "/" + number(n) }
func partName(generation, n uint64) string    { return baseFolder(generation) + "/" + number(n) }

// encodeDocument returns v as JSON on one line, and its SHA-256 on the next.
func encodeDocument(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // plain data; only a mistake in the types above can get here
		panic(err)
	}
	return fmt.Appendf(b, "\n%x\n", sha256.Sum256(b))
}

func decodeDocument(b []byte, v any) error {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	if want := fmt.Appendf(nil, "%x\n", sha256.Sum256(line)); !bytes.Equal(rest, want) {
		return fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// getDocument reads a document. It returns the object too.
func getDocument(ctx context.Context, d Destination, name string, v any) ([]byte, error) {
	object, err := d.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := decodeDocument(object, v); err != nil {
		return nil, fmt.Errorf("%s: %s %w", d, name, err)
	}
	return object, nil
}

// listNumbers returns the numbers that are the names of a folder's members, in order.
func listNumbers(ctx context.Context, d Destination, folder string) (numbers []uint64, err error) {
	names, err := d.List(ctx, folder)
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil && number(n) == name {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

// newestEpoch returns the epoch that counts, or nil if there is none.
func newestEpoch(ctx context.Context, d Destination) (*epoch, error) {
	numbers, err := listNumbers(ctx, d, epochsFolder)
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	e := &epoch{}
	if _, err := getDocument(ctx, d, epochName(numbers[len(numbers)-1]), e); err != nil {
		return nil, err
	}
	return e, nil
}
