package playground

import (
	"embed"
	"io/fs"
	"os"
)

//go:embed cookiemode
var cookieMode embed.FS

// WriteCookieMode writes the files of the app in cookie mode into a folder, which it makes. They stand at the root of
// the app's origin; the Orders API has to be below /api/.
func WriteCookieMode(folder string) error {
	files, err := fs.Sub(cookieMode, "cookiemode")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil { // an earlier version may have had other files
		return err
	}
	return os.CopyFS(folder, files)
}
