//! The judge of "nothing is missed": an observer outside that sees each entry into the kernel and
//! counts those that do not come from the gate.
//!
//! `gate.rs` says what the gate is, by what the kernel says of the process's mappings; `space.rs`
//! keeps what was found out for as long as it holds; `report.rs` is what is left in the end.

pub mod cases;
pub mod command;
mod gate;
pub mod order;
pub mod report;
mod space;

use crate::host::tracer::{self, Allowed, Entry, Observer, Pid};
use anyhow::{Context, Result};
use gate::{Kind, Place};
use report::{Elsewhere, Report};
use runtime::abi;
use space::Spaces;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

pub use gate::Program;

/// The observer.
pub struct Audit<'a> {
    program: &'a Program,
    spaces: Spaces,
    /// Threads, each with its process.
    threads: HashMap<Pid, Pid>,
    root: Pid,
    report: Report,
    /// Where each call is written, if that is asked for.
    calls: Option<BufWriter<File>>,
}

impl<'a> Audit<'a> {
    /// An observer of `root` and what it starts. `calls`: the file for a line of each call.
    pub fn new(program: &'a Program, root: Pid, calls: Option<&Path>) -> Result<Self> {
        let calls = match calls {
            Some(path) => {
                let file = File::create(path);
                Some(file.with_context(|| format!("cannot make {}", path.display()))?)
            }
            None => None,
        };
        Ok(Audit {
            program,
            spaces: Spaces::default(),
            threads: HashMap::new(),
            root,
            report: Report::default(),
            calls: calls.map(BufWriter::new),
        })
    }

    /// What was seen.
    pub fn finish(mut self) -> Result<Report> {
        if let Some(calls) = &mut self.calls {
            calls.flush().context("the list of calls")?;
        }
        Ok(self.report)
    }

    fn process(&self, pid: Pid) -> Pid {
        self.threads.get(&pid).copied().unwrap_or(pid)
    }

    fn judge(&mut self, pid: Pid, entry: &Entry) -> Result<Kind> {
        let process = self.process(pid);
        let space = self.spaces.of(process);
        let mut space = space.borrow_mut();
        space.settle(pid);
        if !space.is_vload {
            if space.was_vload {
                self.report.natively(&program_name(process));
            } else {
                self.report.before += 1;
            }
            return Ok(Kind::Native);
        }
        let place = space.place(self.program, pid, entry.ip);
        match tracer::allowed(pid)? {
            None => {}
            Some(Allowed::OutsideOf(_)) => self.report.beside_region += 1,
            // The kernel compares the address behind the instruction.
            Some(Allowed::From(gate)) if gate.contains(&entry.ip) => {
                match space.is_gate(self.program, pid, &gate) {
                    Ok(true) => self.report.by_slots += 1,
                    // Killed where it stood, it has no mappings any more.
                    _ if tracer::entry(pid)?.is_none() => {}
                    Ok(false) => self.report.by_others += 1,
                    Err(error) => return Err(error),
                }
            }
            // Not made from where the kernel allows it, and not dispatched: `[vsyscall]`.
            Some(Allowed::From(_)) => self.report.by_others += 1,
        }
        space.expect(pid, entry);
        let kind = match place {
            Ok(Place::Gate(kind)) => kind,
            // Killed where it stood, the thread does not make its call, and what was read of it may
            // have been gone already.
            _ if tracer::entry(pid)?.is_none() => Kind::Killed,
            Err(error) => return Err(error),
            Ok(Place::Elsewhere(mapping)) => {
                self.report.elsewhere(Elsewhere {
                    process,
                    thread: pid,
                    program: program_name(process),
                    call: name(entry),
                    ip: entry.ip,
                    mapping,
                });
                Kind::Elsewhere
            }
        };
        self.report.count(kind);
        Ok(kind)
    }
}

impl Observer for Audit<'_> {
    fn started(&mut self, pid: Pid) -> Result<()> {
        // A process that was killed meanwhile has no place in /proc, and will make no call.
        let Some(status) = Status::read(pid) else { return Ok(()) };
        self.threads.insert(pid, status.process);
        if status.process == pid {
            self.spaces.begin(pid, status.parent, self.program)?;
        }
        Ok(())
    }

    fn call(&mut self, pid: Pid) -> Result<()> {
        let Some(entry) = tracer::entry(pid)? else { return Ok(()) };
        let kind = self.judge(pid, &entry)?;
        if let Some(calls) = &mut self.calls {
            writeln!(calls, "{pid} {} {}", kind.word(), entry.number)
                .context("the list of calls")?;
        }
        Ok(())
    }

    fn executed(&mut self, pid: Pid, former: Pid) -> Result<()> {
        self.threads.remove(&former);
        self.threads.insert(pid, pid);
        self.spaces.replace(pid, self.program);
        if let Some(calls) = &mut self.calls {
            writeln!(calls, "{pid} exec 0").context("the list of calls")?;
        }
        Ok(())
    }

    fn ended(&mut self, pid: Pid, status: i32) -> Result<()> {
        let process = self.threads.remove(&pid).unwrap_or(pid);
        self.spaces.of(process).borrow_mut().settle(pid);
        if process == pid {
            self.spaces.end(pid);
        }
        if pid == self.root {
            self.report.status = Some(status);
        }
        Ok(())
    }
}

/// The call as a person knows it.
fn name(entry: &Entry) -> String {
    let (table, mark) = match entry.arch {
        tracer::Arch::Native => (abi::Entry::Native, ""),
        tracer::Arch::Compat => (abi::Entry::Compat, " by int $0x80"),
    };
    match table.call(entry.number as usize) {
        Some(call) => format!("{} ({}){mark}", call.name(), entry.number),
        None => format!("{}{mark}", entry.number as i64),
    }
}

/// The program's name, as it calls itself.
fn program_name(pid: Pid) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let name = line.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// What `/proc/PID/status` says.
struct Status {
    process: Pid,
    parent: Pid,
}

impl Status {
    fn read(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Some(Status { process: field("Tgid:")?, parent: field("PPid:")? })
    }
}
