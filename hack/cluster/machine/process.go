package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Process is a process that may have ended. The number alone says too little: another process may have it now.
type Process struct {
	PID int `json:"pid"`
	// Started is when, in clock ticks since the machine booted, and Boot which boot that was.
	Started uint64 `json:"started"`
	Boot    string `json:"boot"`
}

// LoadProcess reads a record; the process of a record that is not there is not alive.
func LoadProcess(path string) (Process, error) {
	var p Process
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("reading %s: %w", path, err)
	}
	return p, nil
}

// Alive says that the process runs.
func (p Process) Alive() bool {
	if p.PID == 0 {
		return false
	}
	now, err := observe(p.PID)
	return err == nil && now == p
}

// observe is the process that has the number now; a zombie has ended.
func observe(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	started, state, err := parseStat(string(stat))
	if err != nil {
		return Process{}, err
	}
	if state == "Z" || state == "X" {
		return Process{}, os.ErrProcessDone
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return Process{PID: pid, Started: started, Boot: string(bytes.TrimSpace(boot))}, err
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The name is in parentheses and may contain anything.
func parseStat(stat string) (started uint64, state string, err error) {
	const fieldStarted = 22
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= fieldStarted-3 {
		return 0, "", fmt.Errorf("not the status of a process: %q", stat)
	}
	started, err = strconv.ParseUint(fields[fieldStarted-3], 10, 64)
	return started, fields[0], err
}
