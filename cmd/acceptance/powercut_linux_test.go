package acceptance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A machine is user-mode Linux: a kernel that is a process, with a file for a disk. To kill it is to cut
// its power: what it had not written to the file is gone with its memory. Inside, guest is the first
// process, and starts authzd and the actors; their memory is kept out here.
//
//	this test ── kills ──> kernel ── init ──> guest ── starts ──> authzd ── fdatasync ──┐
//	    ^                                       │                   ^                   v
//	    └────────── serial line: memory ────────┘── actors ─────────┘        ext4 on disk.img
type machine struct {
	t      *testing.T
	folder string // which the machine sees, too
	init   string // the program that is the first process
	disk   string // "ubd0", or "ubd0s", which the kernel writes with O_SYNC
	memory map[string]json.RawMessage
	clock  time.Duration // that its clock is ahead
	pace   time.Duration
}

// In a machine's folder.
const (
	binaryFile = "authzd"
	imageFile  = "disk.img"
	emptyFile  = "empty.img"
	memoryFile = "memory.json"
	diskFolder = "disk"
)

// newMachine has an empty disk. overlay is what go build takes for it; "" is authzd as it is.
func newMachine(t *testing.T, overlay string) *machine {
	t.Helper()
	needTool(t, "linux.uml")
	mkfs := needTool(t, "mkfs.ext4")
	init, err := guestInit()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, folder: shortDir(t), init: init, disk: "ubd0", pace: 2 * time.Millisecond}
	if err := buildGuest(exec.Command("go", "build", "-overlay="+overlay, "-o", m.file(binaryFile), "../authzd")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.file(diskFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(m.file(emptyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(96<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", m.file(emptyFile)).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	m.replaceDisk()
	return m
}

func (m *machine) file(name string) string { return filepath.Join(m.folder, name) }

// replaceDisk puts an empty disk in, of which nobody remembers anything.
func (m *machine) replaceDisk() {
	m.t.Helper()
	if out, err := exec.Command("cp", "--sparse=always", m.file(emptyFile), m.file(imageFile)).CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	m.memory, m.clock = map[string]json.RawMessage{}, 0
}

// eventTimeout leaves room for startTimeout in a machine whose processes wait for those of all other tests.
const eventTimeout = 5 * time.Minute

// powerOn is the machine as long as it has power.
type powerOn struct {
	m       *machine
	kernel  *exec.Cmd
	events  chan string // closed once the power is off
	broken  string      // the first promise; to be read when events is closed
	console *strings.Builder
}

// boot switches the machine on. Its clock will jump later on.
func (m *machine) boot(jump time.Duration) *powerOn {
	m.t.Helper()
	b, err := json.Marshal(m.memory)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.file(memoryFile), b, 0o600); err != nil {
		m.t.Fatal(err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	defer theirs.Close()
	p := &powerOn{m: m, events: make(chan string, 100), console: &strings.Builder{}}
	p.kernel = exec.Command("linux.uml", "mem=384M", "root=none", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
		"con=null", "con0=null,fd:1", "ssl=null", "ssl0=null,fd:3", m.disk+"="+m.file(imageFile), "init="+m.init,
		guestEnv+"="+m.folder, setting(guestClockEnv, m.clock/time.Second), setting(guestJumpEnv, jump/time.Second),
		setting(guestPaceEnv, m.pace/time.Millisecond))
	p.kernel.Dir = m.folder
	p.kernel.Env = append(os.Environ(), "HOME="+m.folder) // where it keeps its pid
	p.kernel.ExtraFiles = []*os.File{theirs}
	p.kernel.Stdout, p.kernel.Stderr = p.console, p.console
	p.kernel.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.kernel.WaitDelay = time.Second // for those of its processes that have its console
	if err := p.kernel.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.clock += jump
	go p.listen(ours)
	m.t.Cleanup(p.cut)
	return p
}

func setting[T ~int64](name string, value T) string { return fmt.Sprintf("%s=%d", name, value) }

// listen keeps what the actors remember, until the power is off.
func (p *powerOn) listen(line io.ReadCloser) {
	defer close(p.events)
	defer line.Close()
	lines := bufio.NewScanner(line)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		event, about, _ := strings.Cut(strings.TrimSpace(lines.Text()), "\t")
		switch event {
		case eventMemory:
			name, memory, _ := strings.Cut(about, "\t")
			if json.Valid([]byte(memory)) { // the power may fail in the middle of a line
				p.m.memory[name] = json.RawMessage(memory)
			}
		case eventBroken, eventFailed:
			p.broken = event + ": " + about
		}
		select {
		case p.events <- event:
		default: // nobody waits for this one
			if event != eventMemory {
				p.events <- event
			}
		}
	}
}

// cut takes the power away: at once, from the whole machine.
func (p *powerOn) cut() {
	if p.kernel.ProcessState != nil {
		return
	}
	_ = syscall.Kill(-p.kernel.Process.Pid, syscall.SIGKILL) // all of it is one process group
	_ = p.kernel.Wait()                                      // it was killed
	for range p.events {
	}
}

// await returns true at an event, and false when a promise was broken or the machine has stopped.
func (p *powerOn) await(event string) bool {
	p.m.t.Helper()
	deadline := time.After(eventTimeout)
	for {
		select {
		case got, on := <-p.events:
			switch {
			case got == event:
				return true
			case !on, got == eventBroken, got == eventFailed:
				p.cut()
				return false
			}
		case <-deadline:
			p.cut()
			p.m.t.Fatalf("no event %q for %v; the console:\n%s", event, eventTimeout, p.console)
		}
	}
}

// demand is await for a machine that must get there.
func (p *powerOn) demand(event string) {
	p.m.t.Helper()
	if !p.await(event) {
		p.m.t.Fatalf("%s; the console:\n%s", p.broken, p.console)
	}
}

// The power fails at any moment: of the first start, of a later one, and under load. When it is back,
// all promises are kept, even if the clock jumps.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "")
	cuts := many(4, 50)
	for i := range cuts {
		m.disk = []string{"ubd0", "ubd0s"}[i%2]
		// Forwards by no more than a refresh may be repeated; a code lives no longer either.
		jump := []time.Duration{0, 4 * time.Minute, -10 * time.Minute, -time.Hour}[rand.IntN(4)]
		switch i % 4 {
		case 0: // in the first start
			m.replaceDisk()
			p := m.boot(0)
			p.demand(eventMounted)
			<-time.After(rand.N(2 * time.Second))
			p.cut()
		case 1, 2: // under load
			p := m.boot(jump)
			p.demand(eventChecked)
			for range rand.IntN(200) {
				p.demand(eventMemory)
			}
			p.cut()
		case 3: // soon after it came back
			p := m.boot(0)
			p.demand(eventMounted)
			<-time.After(rand.N(4 * time.Second))
			p.cut()
			if p.broken != "" {
				t.Fatal(p.broken)
			}
		}
	}
	m.boot(0).demand(eventChecked)
	t.Logf("%d power cuts", cuts)
}

// The same with an engine that does not wait for the disk must break a promise, or the test above proves
// nothing.
func TestPowerCutsWithoutSync(t *testing.T) {
	t.Parallel()
	m := newMachine(t, withoutSync(t))
	for cut := range 5 {
		p := m.boot(0)
		if cut == 0 {
			p.demand(eventChecked) // it works as long as there is power
		} else if !p.await(eventChecked) {
			t.Logf("after %d cuts: %s", cut, p.broken)
			if p.broken == "" {
				t.Errorf("the machine stopped by itself; the console:\n%s", p.console)
			}
			return
		}
		for range 200 {
			p.demand(eventMemory)
		}
		p.cut()
	}
	t.Error("an engine that never syncs was not caught")
}

// withoutSync returns the file for go build -overlay with which the engine opens its file with bbolt's
// NoSync. No such authzd ships.
func withoutSync(t *testing.T) string {
	t.Helper()
	source, err := filepath.Abs("../../storage/bolt/open.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(\w+)\.db\.AllocSize = allocSize\n`)
	if len(line.FindAll(text, -1)) != 1 {
		t.Fatalf("%s has no line like %s", source, line)
	}
	folder := t.TempDir()
	changed := filepath.Join(folder, "changed.go")
	if err := os.WriteFile(changed, line.ReplaceAll(text, []byte("${0}\t$1.db.NoSync = true\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
