//! Arming the calling thread: the kernel is told the gate, or the region, and `SIGSYS` comes through.

use core::ops::Range;
use core::sync::atomic::Ordering;

use super::{is_likely, is_on, scope};
use crate::arch::{self, Context, SigInfo};
use crate::layer::{self, Reason};
use crate::signal::{self, SIGCALL, SIGSYS};
use crate::sys::{self, Result};
use crate::thread::{Block, others};

// linux/prctl.h
const PR_SET_SYSCALL_USER_DISPATCH: u32 = 59;
const PR_SYS_DISPATCH_OFF: usize = 0;
const PR_SYS_DISPATCH_EXCLUSIVE_ON: usize = 1;
const PR_SYS_DISPATCH_INCLUSIVE_ON: usize = 2;

/// Every call of the calling thread's raises `SIGSYS` that is made from the region, or, without one, from
/// elsewhere than the gate.
fn set(region: Option<&Range<usize>>) -> Result<()> {
    let (start, end) = arch::gate_range();
    let arguments = match region {
        // The kernel looks at the address behind the instruction (`syscall_user_dispatch`,
        // kernel/entry/syscall_user_dispatch.c): one that ends where the region does counts.
        Some(region) => [PR_SYS_DISPATCH_INCLUSIVE_ON, region.start + 1, region.len(), 0],
        None => [PR_SYS_DISPATCH_EXCLUSIVE_ON, start, end - start, 0],
    };
    // SAFETY: the option concerns calls from outside the gate or from the target's code, and none of
    // vload's are either; there is no selector to be read.
    unsafe { sys::prctl(PR_SET_SYSCALL_USER_DISPATCH, arguments) }.map(drop)
}

/// Whether the kernel would.
pub fn attempt(region: Option<&Range<usize>>) -> Result<()> {
    set(region)?;
    // SAFETY: no memory is passed.
    unsafe { sys::prctl(PR_SET_SYSCALL_USER_DISPATCH, [PR_SYS_DISPATCH_OFF, 0, 0, 0]) }.map(drop)
}

/// Whether the thread is armed for what is watched now.
pub fn is_armed(block: &Block) -> bool {
    block.armed.load(Ordering::SeqCst) == scope::generation()
}

/// Puts the resident's handler for `signal` in place among the handlers of the thread.
pub fn own_handler(block: &Block, signal: i32) {
    // SAFETY: a bound block has its handlers.
    if let Err(error) = unsafe { &*block.sighand }.own(signal) {
        crate::log!(Error, "signal {signal} cannot be handled: {}", error.text());
    }
}

/// Arms the thread of `block`, which is the caller and does not go on in the target before `SIGSYS` is let
/// through.
fn arm(block: &Block) {
    block.must_arm.store(0, Ordering::SeqCst);
    if !is_on() {
        return;
    }
    while !is_armed(block) {
        // A child of a vfork has handlers of its own.
        own_handler(block, SIGSYS);
        let generation = scope::generation();
        if let Err(error) = set(scope::region().as_ref()) {
            // A filter that the target has installed since.
            crate::log!(Error, "not covered: a thread cannot be watched: {}", error.text());
        }
        block.armed.store(generation, Ordering::SeqCst);
    }
}

/// Arms a thread on its way out of the resident.
///
/// # Safety
/// Called by the exit code alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_resident_arm(block: &mut Block) {
    arm(block);
    if is_on() {
        // Where all are blocked until the exit, so is this one.
        signal::let_through(block, signal::bit(SIGSYS));
    }
}

/// Arms a thread that leaves the resident by a way that is not the exit code's, with all signals blocked.
pub fn arm_leaving(block: &Block) {
    block.at_work.store(0, Ordering::SeqCst);
    if block.must_arm.load(Ordering::SeqCst) != 0 {
        arm(block);
    }
}

/// Arms a thread that has just been started, in its own resident; its mask is set on the way out.
pub fn arm_new(block: &mut Block) {
    if is_on() {
        // SAFETY: the exit code follows, on this thread.
        unsafe { vload_resident_arm(block) };
    }
}

/// Arms the first thread, before the target's first instruction.
pub fn arm_first(block: &mut Block) {
    super::start();
    if is_on() {
        // One that another process sends would end the target else.
        own_handler(block, SIGSYS);
        signal::open_inherited(block, SIGSYS);
    }
    arm_new(block);
}

/// The process has several threads, and may come to be watched: none of their masks blocks `SIGCALL` in the
/// kernel from here on, so each can be called to be armed. `false` if that was so before.
pub fn expect_threads() -> bool {
    if !is_likely() || !signal::keep_open(SIGCALL) {
        return false;
    }
    if !is_on() && !others::is_proc_ours() {
        // Nobody but the resident knows who sleeps in a call.
        layer::want_everything_here(Reason::Asleep);
    }
    true
}

/// The process of `block`, which is the caller's, is about to have one more thread. `mask` is the target's; gives
/// what of it the kernel may block in the caller and in the new thread.
pub fn expect_thread(block: &Block, mask: u64) -> u64 {
    if expect_threads() {
        own_handler(block, SIGCALL);
    }
    block.blocked.add(mask & signal::open_signals());
    signal::for_kernel(mask)
}

/// The child of a vfork has left the memory of `block`'s process, where `before` was open when it began. It has handlers of
/// its own: if it has started a thread, what it has opened for that is handled here too from now on. `mask` as for
/// [`expect_thread`].
pub fn after_vfork(block: &Block, before: u64, mask: u64) -> u64 {
    if signal::open_signals() & !before & signal::bit(SIGCALL) == 0 {
        return mask;
    }
    own_handler(block, SIGCALL);
    block.blocked.add(mask & signal::bit(SIGCALL));
    mask & !signal::bit(SIGCALL)
}

/// Arms a thread that a signal has found in the target's code, or about to go there.
pub fn arm_interrupted(context: &mut Context, block: &mut Block) {
    if block.must_arm.load(Ordering::SeqCst) == 0 {
        return;
    }
    arm(block);
    if !is_on() {
        return;
    }
    let sigsys = signal::bit(SIGSYS);
    block.blocked.add(context.mask() & sigsys);
    context.set_mask(context.mask() & !sigsys);
}

/// What tells a call to arm from any other signal: nobody else knows where the image is.
fn cookie() -> usize {
    arch::gate_range().0
}

/// The bits of the cookie that have the number of a call: the gate begins a page.
const NUMBER: usize = 0xfff;

/// A siginfo that calls a thread to be armed, which sleeps in call `number` if it sleeps.
pub fn call_to_arm(signal: i32, number: usize) -> SigInfo {
    arch::queued_info(signal, 0, cookie() | number.min(NUMBER))
}

/// Whether the signal calls the thread to be armed, and in which call it was if it slept.
pub fn is_call_to_arm(info: &SigInfo) -> Option<u32> {
    let value = arch::si_value(info);
    let calls = is_on() && arch::si_code(info) == arch::SI_QUEUE && value & !NUMBER == cookie();
    calls.then_some((value & NUMBER) as u32)
}
