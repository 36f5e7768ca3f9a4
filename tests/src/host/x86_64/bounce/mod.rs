//! The oracle for the shapes: nothing is patched (`--test-bounce`), and a tracer moves each call to
//! the resident's entry.
//!
//! A thread of a process with vload in it stops before each of its calls. One from the gate goes on.
//! Any other is not made (its number becomes -1, as ptrace(2) has it), and the thread goes on at
//! the head of the gate with its registers as the processor left them: rcx holds the address
//! behind the instruction, and the resident returns there. So the resident sees what a stub would
//! bring it, and a program that runs here and not with a shape has met a fault of the shape.
//!
//! What is not brought: a call into `[vsyscall]`, where nothing is executed to go back to. What
//! cannot run: a program that traces others, because a process has one tracer.

pub mod command;

use crate::host::audit::Program;
use crate::host::tracer::{self, Arch, Entry, Observer, Pid, read_maps};
use anyhow::Result;
use std::collections::HashMap;
use std::fs;

/// The tracer.
pub struct Bounce<'a> {
    program: &'a Program,
    /// Where vload's gate is in each process that has one.
    gates: HashMap<Pid, u64>,
    /// Threads, each with its process.
    threads: HashMap<Pid, Pid>,
}

/// The page of `[vsyscall]`.
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;
const PAGE: u64 = 4096;

/// The entry of an `int $0x80`, behind the head of the gate (`arch/x86_64/entry.rs`).
const COMPAT_ENTRY: u64 = 8;
/// Where it finds the caller's rcx, from the gs base.
const COMPAT_RCX: u64 = 56;

impl<'a> Bounce<'a> {
    /// A tracer for processes that run the vload of that file.
    pub fn new(program: &'a Program) -> Self {
        Bounce { program, gates: HashMap::new(), threads: HashMap::new() }
    }

    /// Looks where the process has its gate.
    fn look(&mut self, process: Pid) {
        // Of a process that was killed meanwhile nothing is left to read.
        let gate = read_maps(process).ok().and_then(|maps| self.program.gate(&maps));
        match gate {
            Some(gate) => self.gates.insert(process, gate.start),
            None => self.gates.remove(&process),
        };
    }

    fn bring(&self, pid: Pid, entry: &Entry, gate: u64) -> Result<()> {
        let Some(mut registers) = tracer::registers(pid)? else { return Ok(()) };
        registers.rax = registers.orig_rax;
        registers.orig_rax = u64::MAX;
        match entry.arch {
            Arch::Native => registers.rip = gate,
            Arch::Compat => {
                tracer::write_word(pid, registers.gs_base + COMPAT_RCX, registers.rcx)?;
                registers.rcx = registers.rip;
                registers.rip = gate + COMPAT_ENTRY;
            }
        }
        tracer::set_registers(pid, &registers)
    }
}

impl Observer for Bounce<'_> {
    fn started(&mut self, pid: Pid) -> Result<()> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let process =
            status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        let process = process.unwrap_or(pid);
        self.threads.insert(pid, process);
        if process == pid {
            self.look(pid);
        }
        Ok(())
    }

    fn call(&mut self, pid: Pid) -> Result<()> {
        let process = self.threads.get(&pid).copied().unwrap_or(pid);
        let Some(&gate) = self.gates.get(&process) else { return Ok(()) };
        let Some(entry) = tracer::entry(pid)? else { return Ok(()) };
        let is_ours = (gate..gate + self.program.gate_size()).contains(&(entry.ip - 1));
        if is_ours || (VSYSCALL..VSYSCALL + PAGE).contains(&entry.ip) {
            return Ok(());
        }
        self.bring(pid, &entry, gate)
    }

    fn executed(&mut self, pid: Pid, former: Pid) -> Result<()> {
        self.threads.remove(&former);
        self.threads.insert(pid, pid);
        self.look(pid);
        Ok(())
    }

    fn ended(&mut self, pid: Pid, _status: i32) -> Result<()> {
        self.threads.remove(&pid);
        self.gates.remove(&pid);
        Ok(())
    }
}
