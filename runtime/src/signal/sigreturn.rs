//! `rt_sigreturn(2)`: the kernel takes the target's frame back, or a copy; before that what the
//! target must not know is put in.

use super::{altstack, mask};
use crate::arch::{self, ABORTED, CallRegs, Returning};
use crate::sys;
use crate::text;
use crate::thread::{AltStack, Block};
use crate::watch;

/// The stack pointer by which the kernel judges whether the alternate stack may change: that of the context, or
/// that of the handler where the stack is restored first.
fn judged_at(stack: &AltStack, handler: usize, context: usize) -> usize {
    let differ = stack.enabled() && stack.holds(handler) != stack.holds(context);
    if differ && sys::kernel_version() >= arch::numbers::ALTSTACK_FIRST { handler } else { context }
}

/// Leaves through the frame at the caller's stack pointer. Comes back only with [`ABORTED`].
pub fn rt_sigreturn(block: &mut Block, regs: &CallRegs) -> isize {
    sys::set_signal_mask(sys::ALL_SIGNALS);
    // A signal that came in the meantime is handled first, as if it had come before the call.
    if super::is_held(block) {
        return ABORTED;
    }
    watch::arm_leaving(block);
    // Only a frame that is there can be looked at; a bad one the kernel punishes.
    let Ok(mut frame) = Returning::of(regs) else {
        // SAFETY: all signals are blocked, and what the kernel takes is the target's.
        unsafe { arch::sigreturn(regs.sp()) }
    };
    let mut context = frame.context();
    let sp = judged_at(&block.altstack, regs.sp(), context.sp());
    altstack::restore(&mut block.altstack, sp, context.altstack());
    context.set_altstack(block.signal_stack.0, 0, block.signal_stack.1);
    context.set_pc(text::resume_pc(context.pc()));
    block.blocked.set_from(context.mask());
    mask::hand_back(block, !block.blocked.get());
    context.set_mask(mask::for_kernel(context.mask()));
    // SAFETY: as above; the frame is here until the kernel has taken it.
    unsafe { arch::sigreturn(frame.sp(regs)) }
}
