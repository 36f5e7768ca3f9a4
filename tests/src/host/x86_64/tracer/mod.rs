//! Following a program and all that descends from it by ptrace(2), with a stop before each call that
//! enters the kernel and none besides.
//!
//! The stops come from a seccomp filter that answers every call with `SECCOMP_RET_TRACE`. So they
//! come before the kernel looks at the call, in whatever way it was made: `[vsyscall]`, which no
//! other kind of stop sees, is among them. A stop is not interrupted by a signal, and each call
//! has one of its own.
//!
//! A program that traces others cannot live with such a filter: what it traces is not ours, and nobody
//! would answer its stops. It is followed by PTRACE_SYSCALL instead ([`Stops::Tracer`]), which does
//! not see `[vsyscall]`, and what asks to be traced is let go.
//!
//! The follower is transparent: signals are passed on, job control works (`PTRACE_SEIZE`), every
//! fork, clone and exec is followed.

mod filter;
mod launch;
mod maps;
mod ptrace;

pub use filter::install as install_filter;
pub use launch::{become_below, end_as, launch};
pub use maps::{Mapping, read as read_maps};
pub use ptrace::{
    Allowed, Arch, Entry, Pid, Registers, allowed, entry, read_memory, registers, set_registers,
    stop_again, write_word,
};

use anyhow::{Context, Result};
use ptrace::{Resume, Stop};
use std::collections::HashSet;

/// What stops a program before each of its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stops {
    /// A filter, in whatever way the call is made.
    Filter,
    /// The tracer: what the program traces itself is not followed.
    Tracer,
}

/// What is done with what happens.
pub trait Observer {
    /// The thread is new and has not run; nothing was said of it before.
    fn started(&mut self, pid: Pid) -> Result<()>;
    /// The thread is about to enter the kernel. It goes on when this returns.
    fn call(&mut self, pid: Pid) -> Result<()>;
    /// The process runs another program, of which it has not executed an instruction. The thread
    /// that asked for it was `former`; the process's others are gone.
    fn executed(&mut self, pid: Pid, former: Pid) -> Result<()>;
    /// The thread stands because [`stop_again`] asked for it.
    fn stopped(&mut self, _pid: Pid) -> Result<()> {
        Ok(())
    }
    /// The thread is gone; the status is that of wait(2).
    fn ended(&mut self, pid: Pid, status: i32) -> Result<()>;
}

/// Makes this process the tracer of `pid`, and of all that it will start.
pub fn seize(pid: Pid) -> Result<()> {
    ptrace::seize(pid).with_context(|| format!("cannot trace {pid}"))
}

/// Follows `root`, which was seized, and what it starts, until nothing of it is left.
pub fn follow(root: Pid, stops: Stops, observer: &mut dyn Observer) -> Result<()> {
    const PTRACE_TRACEME: u64 = 0;
    let go = if stops == Stops::Tracer { Resume::ToCall } else { Resume::Go };
    // A thread's own first stop is what announces it: the one that has started it may be killed
    // before it says so.
    let mut known = HashSet::from([root]);
    observer.started(root)?;
    while let Some((pid, stop)) = ptrace::wait()? {
        if let Stop::Ended(status) = stop {
            if known.remove(&pid) {
                observer.ended(pid, status)?;
            }
            continue;
        }
        let is_new = known.insert(pid);
        if is_new {
            observer.started(pid)?;
        }
        let resume = match stop {
            Stop::Call => {
                observer.call(pid)?;
                let asks = |entry: Entry| {
                    entry.number as i64 == libc::SYS_ptrace && entry.arguments[0] == PTRACE_TRACEME
                };
                if stops == Stops::Tracer && ptrace::entry(pid)?.is_some_and(asks) {
                    known.remove(&pid);
                    observer.ended(pid, 0)?;
                    Resume::Alone
                } else {
                    go
                }
            }
            Stop::Executed => {
                if let Some(former) = ptrace::message(pid)? {
                    if former != pid {
                        known.remove(&former);
                    }
                    observer.executed(pid, former)?;
                }
                go
            }
            Stop::Signal(signal) if stops == Stops::Tracer => Resume::ToCallWith(signal),
            Stop::Signal(signal) => Resume::With(signal),
            // Stays stopped until SIGCONT, as it would by itself.
            Stop::Group => Resume::Listen,
            Stop::Asked if !is_new => {
                observer.stopped(pid)?;
                go
            }
            Stop::Asked | Stop::Started | Stop::Ended(_) => go,
        };
        ptrace::resume(pid, resume)?;
    }
    Ok(())
}
