package config

import (
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// bucketName is what S3 takes for one, and a prefix that needs no escaping.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.-]+)*$`)

func (d *document) checkShip(s *Ship) {
	const at = "storage.bolt.ship"
	d.checkTime(at+".every", s.Every, time.Second, time.Minute)
	d.checkTime(at+".snapshot_every", s.SnapshotEvery, time.Hour, 744*time.Hour)
	d.checkTime(at+".keep", s.Keep, time.Hour, 10*365*24*time.Hour)
	if n := *s.SpoolMiB; n < 16 || n > 1<<20 {
		d.report(at+".spool_mib", strconv.Itoa(n), problemf("1024 holds some hours of a busy server", "not between 16 and 1048576"))
	}
	d.checkEach(at+".recipients", s.Recipients, checkRecipient)
	d.report(at+".s3.endpoint", s.S3.Endpoint, checkS3Endpoint(s.S3.Endpoint))
	location, isBucket := strings.CutPrefix(s.To, "s3://")
	if !isBucket {
		d.report(at+".to", s.To, checkShipFolder(s.To))
		return
	}
	if !bucketName.MatchString(location) {
		d.report(at+".to", s.To, problemf("write s3://bucket/prefix", "not the name of a bucket, and of folders in it"))
	}
	if s.S3.AccessKeyID == "" || s.S3.SecretAccessKey == "" {
		d.report(at+".s3", nil, problemf("set access_key_id, and secret_access_key or secret_access_key_file", "a bucket without a key"))
	}
}

// checkShipFolder refuses what can't be a folder, without demanding that it exists.
func checkShipFolder(name string) *member.Flaw {
	if strings.Contains(name, "://") {
		return problemf("name a directory, or s3://bucket/prefix", "unknown kind of destination")
	}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return problemf("name a folder", "is a file")
	}
	return nil
}

func checkS3Endpoint(endpoint string) *member.Flaw {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return problemf("write https://host, without the bucket", "not the URL of a service")
	}
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		return problemf("begin it with https", "http is for loopback alone")
	}
	return nil
}
