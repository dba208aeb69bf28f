package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is what authzd says of one of its commands.
type command struct {
	sub   []string
	flags []string // with their dashes
}

var (
	subcommand = regexp.MustCompile(`(?m)^  ([a-z]+(?:-[a-z]+)*) +\S`)
	flag       = regexp.MustCompile(`(?m)^ +(-[a-z], )?(--[a-z-]+)`)

	// Commands stand in blocks for a shell, and in the text. Their words end with the line, or where the
	// shell begins something else.
	shBlock   = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```")
	inline    = regexp.MustCompile("`(authzd [^`]+)`")
	inShell   = regexp.MustCompile(`(?m)(?:^|[ (/])(authzd [a-z][^\n|#;&)]*)`)
	bareWord  = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	namedFlag = regexp.MustCompile(`^(--[a-z][a-z-]*|-[a-z])(=.*)?$`)
)

// commands asks the program for its commands, each by its words.
func commands(t *testing.T, authzd, words string, all map[string]command) {
	t.Helper()
	out, err := exec.Command(authzd, append(strings.Fields(words), "--help")...).Output()
	if err != nil {
		t.Fatalf("authzd %s --help: %v", words, err)
	}
	var c command
	text := string(out)
	if _, list, ok := strings.Cut(text, "Available Commands:\n"); ok {
		list, _, _ = strings.Cut(list, "\n\n")
		for _, found := range subcommand.FindAllStringSubmatch(list, -1) {
			c.sub = append(c.sub, found[1])
		}
	}
	for _, found := range flag.FindAllStringSubmatch(text, -1) {
		c.flags = append(c.flags, strings.TrimSuffix(found[1], ", "), found[2])
	}
	all[words] = c
	for _, name := range c.sub {
		commands(t, authzd, strings.TrimSpace(words+" "+name), all)
	}
}

// Every command in the recipes is one that authzd has, with every flag.
func TestCommands(t *testing.T) {
	all := map[string]command{}
	commands(t, build(t, t.TempDir()), "", all)
	for _, wrong := range []string{"user promote alice", "users list", "user update alice --no-such-flag=1", "user list -x"} {
		if misspoken(all, strings.Fields(wrong)) == "" {
			t.Errorf("authzd %s passes for a command", wrong)
		}
	}

	seen := 0
	for file, text := range recipes(t) {
		var lines []string
		for _, block := range shBlock.FindAllStringSubmatch(text, -1) {
			for _, found := range inShell.FindAllStringSubmatch(block[1], -1) {
				lines = append(lines, found[1])
			}
		}
		for _, found := range inline.FindAllStringSubmatch(text, -1) {
			lines = append(lines, strings.Join(strings.Fields(found[1]), " "))
		}
		for _, line := range lines {
			words := strings.Fields(line)
			for len(words) > 0 && words[0] == "authzd" { // it is also the name of a user and of a database
				words = words[1:]
			}
			seen++
			if fault := misspoken(all, words); fault != "" {
				t.Errorf("%s: %s: %s", file, line, fault)
			}
		}
	}
	if seen < 50 {
		t.Errorf("found only %d commands", seen)
	}
}

// misspoken says what of a command line authzd does not have, or "".
func misspoken(all map[string]command, words []string) string {
	name := ""
	for len(words) > 0 && slices.Contains(all[name].sub, words[0]) {
		name, words = strings.TrimSpace(name+" "+words[0]), words[1:]
	}
	if len(all[name].sub) > 0 && len(words) > 0 && bareWord.MatchString(words[0]) {
		return "there is no command " + words[0]
	}
	for _, word := range words {
		if found := namedFlag.FindStringSubmatch(word); found != nil && !slices.Contains(all[name].flags, found[1]) {
			return "there is no flag " + found[1]
		}
	}
	return ""
}
