//! Stopping the threads that run while texts are replaced.
//!
//! A thread that `/proc/self/task/TID/syscall` shows in a system call is left alone: waking it would
//! end calls with `EINTR` that nothing interrupts natively. When it comes back it is behind its
//! site, and the pages that it then runs are replaced whole, under the kernel's lock of the address
//! space. A thread that runs is sent a signal that carries our mark, and waits in its handler.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::task_path;
use crate::arch::{self, Context, SigInfo};
use crate::log::Line;
use crate::signal;
use crate::sys::{self, Errno, Result};
use crate::text;
use linux_raw_sys::general::{O_CLOEXEC, O_DIRECTORY, O_RDONLY};

/// 1 while threads shall wait.
static STOPPED: AtomicU32 = AtomicU32::new(0);

/// Those that do.
static WAITING: AtomicPtr<Waiter> = AtomicPtr::new(core::ptr::null_mut());

/// A thread that waits: on its own stack, for as long as it does.
struct Waiter {
    tid: i32,
    next: *mut Waiter,
}

/// How often it is looked whether all threads stand still. Between two looks others run.
const LOOKS: usize = 20_000;

/// The other threads stand still for as long as this value.
pub struct Stopped {
    /// Whether all do that ran: one that blocks every signal goes on.
    pub all: bool,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        WAITING.store(core::ptr::null_mut(), Ordering::Relaxed);
        STOPPED.store(0, Ordering::Release);
        sys::wake_all(&STOPPED);
    }
}

/// Stops every thread but the calling one, as far as they can be stopped. `EAGAIN` when one does not
/// stop that was asked to.
pub fn stop() -> Result<Stopped> {
    let me = sys::gettid();
    STOPPED.store(1, Ordering::Release);
    let mut stopped = Stopped { all: true };
    let mut asked = Vec::new();
    for _ in 0..LOOKS {
        let mut still = true;
        stopped.all = true;
        for tid in threads()? {
            if tid == me || waits(tid) || is_in_call(tid) {
                continue;
            }
            if asked.contains(&tid) {
                still = false;
            } else if ask(tid) {
                asked.push(tid);
                still = false;
            } else {
                stopped.all = false;
            }
        }
        if still {
            return Ok(stopped);
        }
        sys::give_way();
    }
    Err(Errno::AGAIN)
}

fn threads() -> Result<Vec<i32>> {
    let mut found = Vec::new();
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    let directory = sys::openat(sys::CWD, c"/proc/self/task", flags, 0)?;
    let listed = sys::list(directory, &mut |name| {
        found.extend(name.to_str().ok().and_then(|name| name.parse::<i32>().ok()));
    });
    sys::close(directory);
    listed.map(|()| found)
}

fn waits(tid: i32) -> bool {
    let mut waiter = WAITING.load(Ordering::Acquire);
    // SAFETY: a waiter stays on its thread's stack until `Stopped` is dropped, which `stop` owns.
    while let Some(found) = unsafe { waiter.as_ref() } {
        if found.tid == tid {
            return true;
        }
        waiter = found.next;
    }
    false
}

/// Whether the thread is blocked in a system call, or is no more. `-1` is a thread that the kernel
/// holds elsewhere, in a page fault for instance: it goes on where it was.
fn is_in_call(tid: i32) -> bool {
    let mut buffer = [0; 256];
    match read(tid, "syscall", &mut buffer) {
        Ok(text) => text.first().is_some_and(u8::is_ascii_digit),
        Err(error) => matches!(error, Errno::NOENT | Errno::SRCH),
    }
}

fn read<'b>(tid: i32, name: &str, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let mut line = Line::new();
    let path = task_path(&mut line, tid, name).ok_or(Errno::INVAL)?;
    let file = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0)?;
    let length = sys::pread(file, buffer, 0);
    sys::close(file);
    Ok(&buffer[..length?])
}

/// Sends the thread a signal of which the resident always hears, and which it does not block.
fn ask(tid: i32) -> bool {
    let Some(blocked) = blocked(tid) else { return false };
    let Some(signal) = signal::always_ours().find(|&signal| blocked & signal::bit(signal) == 0)
    else {
        return false;
    };
    let info = arch::queued_info(signal, sys::getpid(), mark());
    // A thread that has ended meanwhile is not listed any more.
    sys::queue_signal_to(tid, signal, &info).is_ok()
}

/// `SigBlk` of `/proc/self/task/TID/status` (proc_pid_status(5)).
fn blocked(tid: i32) -> Option<u64> {
    let mut buffer = [0; 4096];
    let status = read(tid, "status", &mut buffer).ok()?;
    let line =
        status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"SigBlk:"))?;
    u64::from_str_radix(core::str::from_utf8(line).ok()?.trim(), 16).ok()
}

/// What the signal carries: nobody else has a reason to send this address.
fn mark() -> usize {
    &raw const STOPPED as usize
}

/// Whether the signal is the one that [`stop`] sends.
pub fn is_stop(signal: i32, info: &SigInfo) -> bool {
    signal::is_ours(signal)
        && arch::si_code(info) == arch::SI_QUEUE
        && arch::si_value(info) == mark()
}

/// Waits, in the handler, until texts have been replaced; then makes `context` go on where its
/// instruction is now.
pub fn wait(context: &mut Context) {
    if STOPPED.load(Ordering::Acquire) != 0 {
        let mut waiter = Waiter { tid: sys::gettid(), next: core::ptr::null_mut() };
        let mut first = WAITING.load(Ordering::Relaxed);
        loop {
            waiter.next = first;
            let own = &raw mut waiter;
            match WAITING.compare_exchange(first, own, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(seen) => first = seen,
            }
        }
        while STOPPED.load(Ordering::Acquire) != 0 {
            sys::wait_while(&STOPPED, 1);
        }
    }
    let pc = context.pc();
    if context.result() == sys::raw(Err(Errno::INTR))
        && let Some(number) = text::number_behind(pc)
        && context.ask_again(number)
    {
        // It had been about to block when it was asked. Natively nothing would have ended the call.
        context.set_pc(text::resume_pc(pc - arch::SYSCALL_INSTRUCTION));
        return;
    }
    context.set_pc(text::resume_pc(pc));
}
