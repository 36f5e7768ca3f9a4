//! A process that its parent traces, as a debugger's child is before it executes the program: what it executes
//! runs natively, so that the tracer finds the program that it was given, and no call of ours.
//!
//! The tracer sees each call that is made in the process from its next stop on. So a process that asks to be traced
//! prepares for the exec at once, and one whose parent has taken hold of it finds that out from the session's
//! memory; an adopted one asks the kernel, because it may have been traced before. The exec is then made as the
//! program has made it, and the kernel says what is wrong with it.

use core::sync::atomic::Ordering;

use super::check;
use crate::adopt;
use crate::layer::{self, Call};
use crate::log::{self, Line};
use crate::session;
use crate::shown::Quoted;
use crate::sys;
use crate::thread::Block;
use crate::thread::others::{self, Thread};
use crate::view;

const PTRACE_TRACEME: usize = 0;
const PTRACE_ATTACH: usize = 16;
const PTRACE_DETACH: usize = 17;
const PTRACE_SEIZE: usize = 0x4206;

/// `ptrace(2)`.
pub fn ptrace(call: &mut Call<'_>) -> isize {
    let result = view::ptrace(call);
    if result != 0 {
        return result;
    }
    let tracee = call.args[1] as i32;
    match call.args[0] {
        PTRACE_TRACEME => {
            call.block.traced = true;
            mark(call.descriptors(), true);
            tell(call.block.tid.load(Ordering::Relaxed));
        }
        // The number is asked for anew: a child in our memory may be the one that traces.
        PTRACE_ATTACH | PTRACE_SEIZE => note(tracee, sys::getpid()),
        PTRACE_DETACH => note(tracee, 0),
        _ => {}
    }
    result
}

fn note(tracee: i32, tracer: i32) {
    if let Some(members) = session::members() {
        members.note_tracer(tracee, tracer);
    }
    if tracer != 0 {
        tell(tracee);
    }
}

/// Whether what the thread executes is left to its tracer.
pub fn is_left(block: &Block) -> bool {
    if block.traced {
        return true;
    }
    let tid = block.tid.load(Ordering::Relaxed);
    // It may be a process outside the session: gdb traces its shell before that is adopted.
    let asked = if adopt::is_adopted() { others::tracer(Thread::own(tid)) } else { None };
    let noted = || session::members().map_or(0, |members| members.tracer_of(tid));
    let tracer = asked.unwrap_or_else(noted);
    // One that has ended has let go of it, and is its parent no more.
    tracer != 0 && tracer == sys::getppid()
}

/// Makes the exec as it came, but for its path.
pub fn execute(call: &mut Call<'_>, dirfd: i32, path: &core::ffi::CStr, flags: usize) -> isize {
    if log::enabled(log::Level::Warn) && check::by_hand(dirfd, path, flags).is_ok() {
        crate::log!(
            Warn,
            "not covered: {} runs natively, because its parent traces it",
            Quoted(path)
        );
    }
    let keeps = call.block.traced;
    if !keeps {
        mark(call.descriptors(), true);
    }
    let result = super::exec::as_it_came(call, path);
    if !keeps {
        mark(call.descriptors(), false);
    }
    result
}

/// Makes vload's descriptors close-on-exec, or undoes that of those that an exec hands on.
pub fn mark(own: &view::Descriptors, on: bool) {
    own.marked.store(on, Ordering::Relaxed);
    for slot in own.handed_on() {
        if slot.get() >= 0 {
            // A descriptor that is not there any more needs no mark.
            let _ = sys::set_close_on_exec(slot.get(), on);
        }
    }
}

/// Before vload is executed again, which needs its descriptors.
pub fn unmark(own: &view::Descriptors) {
    if own.marked.load(Ordering::Relaxed) {
        mark(own, false);
    }
}

/// Says so once in a session in which somebody waits for the calls of all programs, where a person sees it.
fn tell(tracee: i32) {
    if layer::layers().next().is_none()
        || !sys::is_terminal(2)
        || !session::is_first(session::Told::Traced)
    {
        return;
    }
    let mut line = Line::new();
    line.text("vload: process ").decimal(i64::from(tracee)).text(
        " is traced: what it executes while its parent traces it runs natively, and no layer hears of it\n",
    );
    // A closed standard error is nobody's loss.
    let _ = sys::write_aside(2, line.bytes());
}
