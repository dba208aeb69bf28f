package brand

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// MaxLogo is how large the file of a logo may be, in bytes.
const MaxLogo = 1 << 20

// imageTypes are the formats of a logo that every browser shows.
var imageTypes = map[string]string{
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".webp": "image/webp",
	".gif":  "image/gif",
}

// Logo is an image, as browsers are served it.
type Logo struct {
	ContentType string
	Content     []byte
}

// MaxMailLogo is how large a logo in a mail may be, in bytes: every mail carries it.
const MaxMailLogo = 64 << 10

// NotInMails returns why a mail can't show the logo, "" if it can.
func (l *Logo) NotInMails() string {
	switch l.ContentType {
	case "image/png", "image/jpeg", "image/gif":
	default:
		return "many mail clients show no picture of type " + l.ContentType
	}
	if len(l.Content) > MaxMailLogo {
		return fmt.Sprintf("it has %d bytes, and every mail would carry it: at most %d", len(l.Content), MaxMailLogo)
	}
	return ""
}

// ReadLogo reads the file of a logo: an image of at most MaxLogo bytes, in one format by its name and by its
// content. The error does not name the file. If the file can't be read, it is the system's error.
func ReadLogo(file string) (*Logo, error) {
	contentType, ok := imageTypes[strings.ToLower(filepath.Ext(file))]
	if !ok {
		return nil, errors.New("must be an svg, png, jpeg, webp or gif file")
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxLogo {
		return nil, fmt.Errorf("%d bytes, must be at most %d", info.Size(), MaxLogo)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	isSVG := bytes.Contains(content, []byte("<svg"))
	if contentType == imageTypes[".svg"] && !isSVG ||
		contentType != imageTypes[".svg"] && http.DetectContentType(content) != contentType {
		return nil, fmt.Errorf("the content is not of type %s", contentType)
	}
	return &Logo{contentType, content}, nil
}
