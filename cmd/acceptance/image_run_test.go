package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// image is what the Dockerfile makes, unpacked, and how a container of it is run.
type image struct {
	root, workdir string
	user          *syscall.Credential
	entrypoint    []string
	arguments     []string // of the build, as variables
}

// buildImage runs the lines of the Dockerfile that make files, each in its place.
func buildImage(t *testing.T) *image {
	t.Helper()
	if os.Getuid() != 0 {
		const lacks = "only root can run a program in an image"
		if os.Getenv("CI") == "true" {
			t.Fatal(lacks)
		}
		t.Skip(lacks)
	}
	i := &image{root: t.TempDir()}
	stage, context := t.TempDir(), buildContext(t)
	arrangements := strings.NewReplacer(" /image/", " "+stage+"/image/", " /data", " "+stage+"/data")
	for _, line := range instructions(t) {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "ARG":
			i.arguments = append(i.arguments, rest+"=v9.8.7")
		case word == "RUN" && !strings.HasPrefix(rest, "go mod"):
			i.run(t, context, arrangements.Replace(rest))
		case word == "COPY" && strings.HasPrefix(rest, "--from=build "):
			i.copy(t, stage, strings.Fields(rest)[1:])
		case word == "USER":
			i.user = &syscall.Credential{Uid: uint32(i.number(t, rest, 0)), Gid: uint32(i.number(t, rest, 1))}
		case word == "WORKDIR":
			i.workdir = rest
		case word == "ENTRYPOINT":
			i.entrypoint = regexp.MustCompile(`"([^"]*)"`).FindStringSubmatch(rest)[1:]
		}
	}
	if err := os.Chmod(i.root, 0o755); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *image) run(t *testing.T, dir, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), i.arguments...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// copy is COPY --from=build [--chown=USER:GROUP] FROM TO.
func (i *image) copy(t *testing.T, stage string, args []string) {
	t.Helper()
	owner := ""
	if chown, ok := strings.CutPrefix(args[0], "--chown="); ok {
		owner, args = chown, args[1:]
	}
	to := filepath.Join(i.root, args[1])
	i.run(t, stage, fmt.Sprintf("mkdir -p %[2]s && cp -a %[1]s/. %[2]s/ && chmod --reference=%[1]s %[2]s", filepath.Join(stage, args[0]), to))
	if owner != "" {
		i.run(t, stage, "chown -R "+owner+" "+to)
	}
}

func (i *image) number(t *testing.T, text string, place int) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Split(text, ":")[place])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// command is "docker run IMAGE ARGS", with variables.
func (i *image) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("/usr/local/bin/"+i.entrypoint[0], args...)
	cmd.Dir, cmd.Env = i.workdir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: i.user}
	return cmd
}

// TestImageRun: in a container, with its user, on an empty base, init writes files that the next container
// finds. Without a file and a volume a container runs on variables. It knows the version that it was built as.
func TestImageRun(t *testing.T) {
	t.Parallel()
	i := buildImage(t)
	if out, err := i.command(nil, "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "authzd v9.8.7\n") {
		t.Errorf("version: %v\n%s", err, out)
	}
	out, err := i.command(nil, "init", "--domain", "id.example.com").CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?m)^first user: admin, password: \S+`).Match(out) {
		t.Fatalf("init: %v\n%s", err, out)
	}
	if out, err := i.command(nil, "init", "--domain", "id.example.com").CombinedOutput(); err == nil {
		t.Fatalf("init again:\n%s", out)
	}
	info, err := os.Stat(filepath.Join(i.root, "data/authzd.yaml"))
	if err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != i.user.Uid {
		t.Fatalf("the file: %v %v", info, err)
	}
	if out, err := i.command(nil, "config", "check").CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("config check: %v\n%s", err, out)
	}
	i.serve(t, []string{"AUTHZD_LISTEN=" + freeAddr()}, func(env []string) {
		if out, err := i.command(env, "user", "list").CombinedOutput(); err != nil || !strings.Contains(string(out), "admin") {
			t.Errorf("the first user: %v\n%s", err, out)
		}
	})
	for _, name := range []string{"authzd-data/authzd.db", "authzd-data/secret"} {
		if _, err := os.Stat(filepath.Join(i.root, "data", name)); err != nil {
			t.Error(err)
		}
	}
	// The next container finds what was made.
	if text := i.serve(t, []string{"AUTHZD_LISTEN=" + freeAddr()}, nil); strings.Contains(text, "made a new") {
		t.Errorf("the second container begins with nothing:\n%s", text)
	}
	if err := os.Rename(filepath.Join(i.root, "data/authzd.yaml"), filepath.Join(i.root, "authzd.yaml")); err != nil {
		t.Fatal(err)
	}
	i.serve(t, []string{"AUTHZD_LISTEN=" + freeAddr(), "AUTHZD_ISSUER=https://id.example.com"}, nil)

	// A file from outside that is for somebody else says so.
	foreign := filepath.Join(i.root, "etc/authzd/authzd.yaml")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("issuer: https://id.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = i.command(nil, "serve").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "it is for user 0 (mode 0600), and this process is user 65532") {
		t.Errorf("a file that it may not read: %v\n%s", err, out)
	}
}

// serve runs a container until it is healthy and while has returned, and returns its log.
func (i *image) serve(t *testing.T, env []string, while func(env []string)) string {
	t.Helper()
	var log bytes.Buffer
	server := i.command(env, "serve")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()
	deadline := time.After(5 * time.Minute)
	for i.command(env, "healthcheck").Run() != nil {
		select {
		case <-time.After(50 * time.Millisecond):
		case err := <-exited:
			t.Fatalf("the server has ended: %v\n%s", err, log.String())
		case <-deadline:
			_ = server.Process.Kill()
			<-exited
			t.Fatalf("it does not get healthy\n%s", log.String())
		}
	}
	if while != nil {
		while(env)
	}
	_ = server.Process.Signal(syscall.SIGTERM)
	if err := <-exited; err != nil {
		t.Errorf("the server ended with %v\n%s", err, log.String())
	}
	return log.String()
}
