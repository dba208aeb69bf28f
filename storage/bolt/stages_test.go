package bolt

import (
	"os"
	"syscall"

	"github.com/authzd/authzd/storage"
)

// Stepwise are options with other migrations, for a process that kills itself at a stage of what it
// does, as kill -9 would.
func Stepwise(m storage.Migrations, last string) Options {
	return Options{migrations: m, stage: func(name string) {
		if name == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}
}

// CompactStages are those of a compaction, in order.
var CompactStages = []string{stageCompactCopied, stageCompactCaught, stageCompactWhole, stageCompactNamed, stageCompactInUse}

// UpgradeStages are those of an upgrade, in order.
var UpgradeStages = []string{stageCopied, stageMigrated, stageLinked, stageRenamed}

// AtStage are options for a test that does something at a stage.
func AtStage(name string, fn func()) Options {
	return Options{stage: func(at string) {
		if at == name {
			fn()
		}
	}}
}

// StepwiseAt is AtStage with other migrations.
func StepwiseAt(m storage.Migrations, name string, fn func()) Options {
	opts := AtStage(name, fn)
	opts.migrations = m
	return opts
}
