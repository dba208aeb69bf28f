package ship

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 is the access to a bucket.
type S3 struct {
	Endpoint        string // https://host[:port], or http; empty: AWS
	Region          string // empty: us-east-1
	AccessKeyID     string
	SecretAccessKey string
	PathStyle       bool           // the bucket is in the path of the URL, not in its host name
	RootCAs         *x509.CertPool // of the endpoint's certificate; nil: the system's
}

// bucket is a Destination in an S3-compatible bucket.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // empty, or ends in a slash
	// unconditional is set when the server has reported that it has no conditional put.
	unconditional atomic.Bool
}

func openBucket(location string, s3 S3) (*bucket, error) {
	name, prefix, _ := strings.Cut(location, "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	endpoint, secure := "s3.amazonaws.com", true
	if s3.Endpoint != "" {
		scheme, host, _ := strings.Cut(s3.Endpoint, "://")
		if endpoint, secure = strings.TrimSuffix(host, "/"), scheme == "https"; host == "" || !secure && scheme != "http" {
			return nil, fmt.Errorf("S3 endpoint %q is not an http or https URL", s3.Endpoint)
		}
	}
	region := s3.Region
	if region == "" {
		region = "us-east-1"
	}
	lookup := minio.BucketLookupAuto
	if s3.PathStyle {
		lookup = minio.BucketLookupPath
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s3.RootCAs}
	client, err := minio.New(endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(s3.AccessKeyID, s3.SecretAccessKey, ""),
		Secure:       secure,
		Region:       region,
		BucketLookup: lookup,
		Transport:    transport,
		MaxRetries:   1, // the caller tries again, and knows for how long
	})
	if err != nil {
		return nil, fmt.Errorf("S3: %w", err)
	}
	return &bucket{client: client, name: name, prefix: prefix}, nil
}

func (b *bucket) String() string { return "s3://" + b.name + "/" + strings.TrimSuffix(b.prefix, "/") }

// Put implements Destination.
func (b *bucket) Put(ctx context.Context, name string, object []byte) error {
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	if b.unconditional.Load() {
		switch _, err := b.client.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{}); {
		case err == nil:
			return ErrExists
		case !isMissing(err):
			return b.failed(err)
		}
	} else {
		options.SetMatchETagExcept("*") // If-None-Match: *
	}
	_, err := b.client.PutObject(ctx, b.name, b.prefix+name, bytes.NewReader(object), int64(len(object)), options)
	switch response := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case response.StatusCode == http.StatusPreconditionFailed:
		return ErrExists
	case response.StatusCode == http.StatusNotImplemented && !b.unconditional.Swap(true):
		return b.Put(ctx, name, object)
	}
	return b.failed(err)
}

// Get implements Destination.
func (b *bucket) Get(ctx context.Context, name string) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.failed(err)
	}
	defer object.Close()
	content, err := io.ReadAll(io.LimitReader(object, maxObject+1))
	switch {
	case isMissing(err):
		return nil, ErrMissing
	case err != nil:
		return nil, b.failed(err)
	case len(content) > maxObject:
		return nil, fmt.Errorf("%s: %s has more than %d bytes", b, name, maxObject)
	}
	return content, nil
}

// List implements Destination.
func (b *bucket) List(ctx context.Context, folder string) (names []string, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends a listing that is not read to its end
	defer cancel()
	prefix := b.prefix + folder + "/"
	for info := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix}) {
		if info.Err != nil {
			return nil, b.failed(info.Err)
		}
		if name := strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), "/"); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// Delete implements Destination.
func (b *bucket) Delete(ctx context.Context, name string) error {
	if err := b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}); err != nil && !isMissing(err) {
		return b.failed(err)
	}
	return nil
}

// isMissing reports whether there is no such object. A missing bucket is another error.
func isMissing(err error) bool {
	return err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchKey
}

func (b *bucket) failed(err error) error { return fmt.Errorf("%s: %w", b, err) }
