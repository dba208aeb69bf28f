package templates_test

import (
	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/gallery"
)

func init() { templates.Gallery = gallery.Pages }
