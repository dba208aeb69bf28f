package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/gallery"
)

// newTemplateCommand shows what an operator can replace by branding.templates and branding.texts.
func newTemplateCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "template",
		Short: "templates and texts of the pages and mails, to begin your own with: list, print, texts",
		Args:  cobra.NoArgs,
		RunE:  needSubcommand,
	}
	group.AddCommand(newTemplateListCommand(), newTemplatePrintCommand(), newTemplateTextsCommand())
	return group
}

func newTemplateListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "list the templates that a file in the folder branding.templates can replace",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range templates.TemplateNames() {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-24s%s\n", name, usedFor(name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// usedFor says where a template is shown.
func usedFor(name string) string {
	switch name {
	case "layout.html":
		return "around every page"
	case "parts.html":
		return "parts of pages: what it defines replaces ours, the others stay"
	case "letter.html", "letter.txt":
		return "every mail"
	}
	var shows []string
	for what, page := range gallery.Pages() {
		if templates.NameOf(page)+".html" == name {
			shows = append(shows, what)
		}
	}
	return slices.MinFunc(shows, func(a, b string) int { return len(a) - len(b) })
}

func newTemplatePrintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "print NAME",
		Short: "print one of our templates",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := templates.Template(args[0])
			if err != nil {
				hint := `"authzd template list" lists them`
				if near := member.Nearest(args[0], templates.TemplateNames()); near != "" {
					hint = "did you mean " + near + "?"
				}
				return usageError{err, hint}
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
}

func newTemplateTextsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "texts [LANGUAGE]",
		Short: "print our texts with their keys, as YAML for branding.texts",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lang, suffix := "en", ""
			if len(args) == 1 {
				lang, suffix = args[0], "#"+args[0]
			}
			texts, err := templates.CatalogueTexts(lang)
			if err != nil {
				return err
			}
			if texts == nil {
				return usageError{fmt.Errorf("no language %q", lang), "there are " + strings.Join(templates.Languages(), ", ")}
			}
			var all yaml.MapSlice
			for _, key := range slices.Sorted(maps.Keys(texts)) {
				all = append(all, yaml.MapItem{Key: key + suffix, Value: texts[key]})
			}
			text, err := yaml.Marshal(all)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
