package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/version"
)

// build is the output of "authzd version".
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Format   int    `json:"store_format"` // of the records that it reads and writes
}

func readBuild() build {
	b := version.Read()
	return build{
		Version: b.Version, Revision: b.Revision, Time: b.Time, Modified: b.Modified,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Format: storage.Current.Format(),
	}
}

func newVersionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "show the version and what it was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return readBuild().write(cmd.OutOrStdout(), output)
		},
	}
	addOutputFlag(cmd, &output)
	return cmd
}

func (b build) write(w io.Writer, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(b)
	}
	fmt.Fprintf(w, "authzd %s\n", b.Version)
	if b.Revision != "" {
		changed := ""
		if b.Modified {
			changed = ", modified"
		}
		fmt.Fprintf(w, "revision %s (%s%s)\n", b.Revision, b.Time, changed)
	}
	_, err := fmt.Fprintf(w, "%s %s\nstore format %d\n", b.Go, b.Platform, b.Format)
	return err
}

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "`format` of the output: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usageError{fmt.Errorf("unknown output format %q", output), "use text or json"}
	}
	return nil
}
