//! Stopping the threads that run while texts are replaced.
//!
//! A thread that `/proc/self/task/TID/syscall` shows in a system call is left alone: waking it would
//! end calls with `EINTR` that nothing interrupts natively. When it comes back it is behind its
//! site, and the pages that it then runs are replaced whole, under the kernel's lock of the address
//! space. A thread that runs is sent a signal that carries our mark, and waits in its handler.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::SIGHAND;
use crate::arch::{self, Context, SigInfo};
use crate::memory::User;
use crate::signal;
use crate::sys::{self, Errno, Result};
use crate::text;
use crate::thread::others::{self, State, Thread};

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
    let (mut threads, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        let mut still = true;
        stopped.all = true;
        threads.clear();
        others::each(&mut |tid| threads.push(tid))?;
        for &tid in &threads {
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

/// Whether the thread is blocked in a system call, or is no more. One that the kernel holds elsewhere, in a
/// page fault for instance, goes on where it was.
fn is_in_call(tid: i32) -> bool {
    matches!(others::state(Thread::own(tid)), State::InCall | State::Gone)
}

/// Sends the thread a signal of which the resident always hears, and which it does not block.
fn ask(tid: i32) -> bool {
    let thread = Thread::own(tid);
    let Some(signal) = others::blocked(thread).and_then(|blocked| signal::heard(blocked, &SIGHAND))
    else {
        return false;
    };
    let info = arch::queued_info(signal, thread.process, mark());
    // A thread that has ended meanwhile is not listed any more.
    sys::queue_signal_to(thread.process, tid, signal, &info).is_ok()
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
    go_on(context, None);
}

/// Makes `context` go on where its instruction is now. A call that a signal of ours has ended, and that the kernel
/// does not make again by itself, is made again: the one of `number`, where the code does not say which.
pub fn go_on(context: &mut Context, number: Option<u32>) {
    let pc = context.pc();
    if context.result() == sys::raw(Err(Errno::INTR))
        && let Some(number) = ended(pc, number)
        && context.ask_again(number)
    {
        // It had been about to block when it was asked. Natively nothing would have ended the call.
        context.set_pc(text::resume_pc(pc - arch::SYSCALL_INSTRUCTION));
        return;
    }
    context.set_pc(text::resume_pc(pc));
}

/// The number of the call that was made right before `pc`; `slept` is that of the one in which the thread was seen, 0
/// where it was seen in none. That is also the number of `read`, which a signal ends on a socket with `SO_RCVTIMEO` alone
/// (signal(7)): such a one is not made again.
fn ended(pc: usize, slept: Option<u32>) -> Option<u32> {
    if let Some(site) = text::site_behind(pc) {
        return site.number.or(slept);
    }
    // Code that is watched.
    let mut enters = false;
    let bytes =
        User::<[u8; arch::SYSCALL_INSTRUCTION]>::new(pc.checked_sub(arch::SYSCALL_INSTRUCTION)?);
    arch::patch::candidates(&bytes.read().ok()?, |_, _| enters = true);
    slept.filter(|&number| enters && number != 0)
}
