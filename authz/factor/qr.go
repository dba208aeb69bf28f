package factor

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// QR is a QR code as the path of an SVG image whose unit is one module. The path is to be stroked with the width 1: the
// outlines of the modules would be twice as long.
type QR struct {
	Path string
	Size int // modules of a side, with the quiet zone around
}

// quiet is the width of the light margin that readers need, in modules (ISO/IEC 18004).
const quiet = 4

// NewQR returns the QR code of a text. It fails if the text is too long. A screen has no dirt and no scratches, so that
// the least redundancy will do, and the modules are as large as they can be.
func NewQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return QR{}, fmt.Errorf("draw the QR code: %w", err)
	}
	side := code.Bounds().Dx()
	dark := func(x, y int) bool {
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var path strings.Builder
	for y := range side {
		at := -1 // the end of the last run of dark modules in this row
		for x := 0; x < side; x++ {
			from := x
			for x < side && dark(x, y) {
				x++
			}
			switch {
			case x == from:
				continue
			case at < 0:
				fmt.Fprintf(&path, "M%d %d.5h%d", from+quiet, y+quiet, x-from)
			default:
				fmt.Fprintf(&path, "m%d 0h%d", from-at, x-from)
			}
			at = x
		}
	}
	return QR{path.String(), side + 2*quiet}, nil
}
