//! `rt_sigreturn(2)`: the kernel takes the target's frame back, or a copy; before that what the
//! target must not know is put in.

use super::{altstack, bit, deliver, fault, mask, shared};
use crate::arch::{self, ABORTED, CallRegs, Returning};
use crate::sys::{self, Result};
use crate::text;
use crate::thread::{AltStack, Block};
use crate::watch;
use linux_raw_sys::general::SIGSEGV;

/// The stack pointer by which the kernel judges whether the alternate stack may change: that of the context, or
/// that of the handler where the stack is restored first.
fn judged_at(stack: &AltStack, handler: usize, context: usize) -> usize {
    let differ = stack.enabled() && stack.holds(handler) != stack.holds(context);
    if differ && sys::kernel_version() >= arch::numbers::ALTSTACK_FIRST { handler } else { context }
}

/// Leaves through the frame at the caller's stack pointer. Comes back only where none can be read there, and with
/// [`ABORTED`].
pub fn rt_sigreturn(block: &mut Block, regs: &CallRegs) -> isize {
    through(Returning::of(regs), block, regs)
}

/// Leaves through that frame, as [`rt_sigreturn`] does.
pub fn through(frame: Result<Returning>, block: &mut Block, regs: &CallRegs) -> isize {
    let Ok(mut frame) = frame else { return without_frame(block) };
    sys::set_signal_mask(sys::ALL_SIGNALS);
    // A signal that came in the meantime is handled first, as if it had come before the call.
    if super::is_held(block) {
        return ABORTED;
    }
    watch::arm_leaving(block);
    let mut context = frame.context();
    let sp = judged_at(&block.altstack, regs.sp(), context.sp());
    altstack::restore(&mut block.altstack, sp, context.altstack());
    context.set_altstack(block.signal_stack.0, 0, block.signal_stack.1);
    context.set_pc(text::resume_pc(context.pc()));
    block.blocked.set_from(context.mask());
    mask::hand_back(block, !block.blocked.get());
    shared::settle(block);
    context.set_mask(mask::for_kernel(context.mask()));
    // SAFETY: all signals are blocked, and what the kernel takes is the target's; the frame is here until it has.
    unsafe { arch::sigreturn(frame.sp(regs)) }
}

/// There is no frame to be read: the kernel forces a `SIGSEGV` (`signal_fault`, arch/x86/kernel/signal.c, and its likes), and
/// the call's result is 0.
fn without_frame(block: &mut Block) -> isize {
    const SEGV: i32 = SIGSEGV as i32;
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    if deliver::is_held(block) {
        return ABORTED;
    }
    // SAFETY: a bound block has its handlers.
    let sighand = unsafe { &*block.sighand };
    deliver::action_for_no_frame(0, sighand, block.blocked.believed(mask));
    // The frame of its handler takes what the kernel says of the thread: one that is sent brings that. A thread's
    // own come first.
    let _ = sys::raise(SEGV);
    sys::set_signal_mask(!bit(SEGV));
    // A filter of the target's may forbid either.
    if !deliver::is_held(block) {
        fault::die(SEGV);
    }
    block.held.info = fault::no_frame();
    block.exit_mask = mask;
    0
}
