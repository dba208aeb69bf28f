package templates

import (
	"fmt"
	"html/template"
)

// icons are drawn inline, so that they follow dark mode and forced colours: strokes of 1.75 on a grid of 24. None
// says anything that the words beside it do not say.
var icons = map[string]string{
	"add":       `<path d="M12 5v14M5 12h14"/>`,
	"alert":     `<circle cx="12" cy="12" r="9"/><path d="M12 7.5v5.5M12 16.3v.01"/>`,
	"app":       `<rect x="4" y="4" width="6.5" height="6.5" rx="1.5"/><rect x="13.5" y="4" width="6.5" height="6.5" rx="1.5"/><rect x="4" y="13.5" width="6.5" height="6.5" rx="1.5"/><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1.5"/>`,
	"close":     `<path d="m6.5 6.5 11 11m0-11-11 11"/>`,
	"connector": `<circle cx="7" cy="5.5" r="2.5"/><circle cx="7" cy="18.5" r="2.5"/><circle cx="17" cy="8.5" r="2.5"/><path d="M7 8v8M17 11c0 3-3 4-7 4.5"/>`,
	"download":  `<path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14"/>`,
	"here":      `<path d="M12 21c4-4.2 6.5-7.6 6.5-11a6.5 6.5 0 0 0-13 0c0 3.4 2.5 6.8 6.5 11z"/><circle cx="12" cy="10" r="2"/>`,
	"info":      `<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.7v.01"/>`,
	"laptop":    `<rect x="4.5" y="5" width="15" height="10.5" rx="1.5"/><path d="M2.5 19h19"/>`,
	"list":      `<path d="M5 6.5h14M5 12h14M5 17.5h8"/>`,
	"lock":      `<rect x="5" y="10.5" width="14" height="10" rx="2.5"/><path d="M8 10.5V7.5a4 4 0 0 1 8 0v3"/>`,
	"mail":      `<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="m4 7.5 8 6 8-6"/>`,
	"passkey":   `<circle cx="8.5" cy="7.5" r="3.75"/><path d="M2.5 19.5c.3-4 2.7-6 6-6 .9 0 1.7.1 2.4.4M17.5 13.5v7.5M17.5 17.5h2.5"/><circle cx="17.5" cy="10.5" r="3"/>`,
	"phone":     `<rect x="7" y="2.5" width="10" height="19" rx="2.5"/><path d="M11 18.5h2"/>`,
	"screen":    `<rect x="3" y="4.5" width="18" height="12" rx="2"/><path d="M8.5 20h7"/>`,
	"warning":   `<path d="M12 8v5M12 16.5v.01M10.3 4.3 2.7 17.5A2 2 0 0 0 4.4 20.5h15.2a2 2 0 0 0 1.7-3L13.7 4.3a2 2 0 0 0-3.4 0z"/>`,
}

// icon draws an icon. Screen readers skip it.
func icon(name string) (template.HTML, error) {
	drawing, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="i" viewBox="0 0 24 24" aria-hidden="true">` + drawing + `</svg>`), nil
}
