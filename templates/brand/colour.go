package brand

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// contrast is the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// luminance is the relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.2).
func luminance(colour string) float64 {
	var linear [3]float64
	for i, v := range channels(colour) {
		c := float64(v) / 255
		if c <= 0.04045 {
			linear[i] = c / 12.92
		} else {
			linear[i] = math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear[0] + 0.7152*linear[1] + 0.0722*linear[2]
}

// mix is a with the given share of b.
func mix(a, b string, share float64) string {
	ca, cb := channels(a), channels(b)
	for i := range ca {
		ca[i] = uint8(math.Round(float64(ca[i])*(1-share) + float64(cb[i])*share))
	}
	return fmt.Sprintf("#%02x%02x%02x", ca[0], ca[1], ca[2])
}

// channels are red, green and blue of a colour that matches colourPattern.
func channels(colour string) [3]uint8 {
	digits := strings.TrimPrefix(colour, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	n, _ := strconv.ParseUint(digits, 16, 32)
	return [3]uint8{uint8(n >> 16), uint8(n >> 8), uint8(n)}
}
