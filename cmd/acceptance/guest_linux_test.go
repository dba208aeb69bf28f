package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel of a machine in powercut_linux_test.go gives these to its first process.
const (
	guestEnv      = "TEST_GUEST"       // the folder that the host shares with it
	guestClockEnv = "TEST_GUEST_CLOCK" // seconds that its clock is ahead, at first
	guestJumpEnv  = "TEST_GUEST_JUMP"  // seconds that it jumps later
	guestPaceEnv  = "TEST_GUEST_PACE"  // milliseconds that an actor rests
)

// Events that a guest reports, each a line: the event, a tab, what about it.
const (
	eventMounted = "mounted"  // the file system, after what a power cut made necessary
	eventReady   = "ready"    // the server
	eventChecked = "checked"  // by every actor: the promises that were made before
	eventMemory  = "memory"   // of an actor: its name, a tab, JSON
	eventBroken  = "broken"   // a promise
	eventFailed  = "no start" // of the server, or of the guest
)

// init makes this program the first process of a machine, if it is.
func init() {
	if folder := os.Getenv(guestEnv); folder != "" {
		guest(folder)
	}
}

// guest is the first process of a machine that is about to lose its power. It never returns: that
// would be a panic of the kernel.
func guest(folder string) {
	report, err := openReport()
	if err == nil {
		err = report.run(folder)
	}
	report.say(eventFailed, err)
	select {}
}

// guestReport is the serial line to the host. A power cut can't reach its text.
type guestReport struct {
	mu   sync.Mutex
	line io.Writer
}

func openReport() (*guestReport, error) {
	// The kernel has mounted /dev.
	f, err := os.OpenFile("/dev/ttyS0", os.O_WRONLY|unix.O_NOCTTY, 0)
	return &guestReport{line: f}, err
}

func (r *guestReport) say(event string, about any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.line, "%s\t%v\n", event, about)
}

func (r *guestReport) remember(name string, a actor) {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // actors are plain data
	}
	r.say(eventMemory, name+"\t"+string(b))
}

func (r *guestReport) run(folder string) error {
	if err := shiftClock(os.Getenv(guestClockEnv)); err != nil {
		return err
	}
	disk := filepath.Join(folder, diskFolder)
	if err := setUpGuest(disk); err != nil {
		return err
	}
	r.say(eventMounted, "")
	binary = func() (string, error) { return filepath.Join(folder, binaryFile), nil }
	s := &server{dir: disk, addr: "127.0.0.1:9010", issuer: "http://localhost:9010"}
	text := s.configure(boltIn(filepath.Join(disk, "data")), "", "", forActors())
	if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		log, _ := os.ReadFile(s.logFile())
		return fmt.Errorf("%w: %.1000q", err, log[max(0, len(log)-1000):])
	}
	r.say(eventReady, "")
	c, err := recall(s, filepath.Join(folder, memoryFile))
	if err != nil {
		return err
	}
	pace, err := strconv.Atoi(os.Getenv(guestPaceEnv))
	if err != nil {
		return err
	}
	c.remember, c.pause = r.remember, time.Duration(pace)*time.Millisecond
	if !c.check() {
		r.say(eventBroken, fmt.Sprintf("%q", c.err()))
		return nil
	}
	r.say(eventChecked, "")
	if err := shiftClock(os.Getenv(guestJumpEnv)); err != nil {
		return err
	}
	c.play(context.Background())
	r.say(eventBroken, fmt.Sprintf("%q", c.err()))
	return nil
}

// check has each actor act until it has had two answers.
func (c *cast) check() bool {
	for name, a := range c.actors {
		for answers := 0; answers < 2; {
			if c.act(name, a) == nil {
				answers++
			}
			if c.err() != nil {
				return false
			}
		}
	}
	return true
}

// recall is the cast with the memory that the host has kept of it.
func recall(s *server, file string) (*cast, error) {
	c := newCast(s, 3)
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	memory := make(map[string]json.RawMessage)
	if err := json.Unmarshal(b, &memory); err != nil {
		return nil, err
	}
	for name, b := range memory {
		if err := json.Unmarshal(b, c.actors[name]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func setUpGuest(disk string) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("/dev/ubda", disk, "ext4", 0, "errors=panic"); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, loopback); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// shiftClock sets the clock of this machine ahead, or back.
func shiftClock(seconds string) error {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	now := unix.NsecToTimeval(time.Now().Add(time.Duration(n) * time.Second).UnixNano())
	return unix.Settimeofday(&now)
}

// guestInit builds these tests, once, to be the first process: without cgo, and so without the race
// detector, which does not run there.
var guestInit = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "guest")
	return path, buildGuest(exec.Command("go", "test", "-c", "-o", path, "."))
})

func buildGuest(cmd *exec.Cmd) error {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
