//! `rt_sigreturn(2)`: the frame is the target's, and the kernel takes it back; before that what the
//! target must not know is put in.

use super::mask;
use crate::arch::{self, CallRegs, Context};
use crate::memory::User;
use crate::sys;
use crate::text;
use crate::thread::{AltStack, Block};

/// Leaves through the frame at the caller's stack pointer. Does not come back.
pub fn rt_sigreturn(block: &mut Block, regs: &CallRegs) -> ! {
    let (at, len) = arch::frame_of_sigreturn(regs);
    sys::set_signal_mask(sys::ALL_SIGNALS);
    // A signal that came in the meantime is queued again; it waits behind the mask, which the
    // frame opens.
    if block.held_flag.swap(0, core::sync::atomic::Ordering::Relaxed) != 0 {
        let info = core::ptr::from_ref(block.held.info()) as usize;
        if sys::queue_signal(block.held_signal, info).is_err() {
            // No room in the queue (RLIMIT_SIGPENDING): the signal without its data.
            let _ = sys::raise(block.held_signal);
        }
    }
    // Only a frame that is wholly there can be looked at; a bad one the kernel punishes.
    let readable = len <= 1024 && (at..at + len).step_by(8).all(|word| {
        // One question a page is enough.
        (word != at && word & 4095 > 8) || User::<u64>::new(word).read().is_ok()
    });
    if readable {
        // SAFETY: the context was readable a moment ago and belongs to this thread's stack.
        let mut context = unsafe { Context::new(at) };
        let (sp, flags, size) = context.altstack();
        // restore_altstack (kernel/signal.c) ignores what do_sigaltstack would refuse.
        if !(block.altstack.enabled() && block.altstack.holds(context.sp())) {
            let mode = flags & !AltStack::AUTODISARM;
            let keep = flags & AltStack::AUTODISARM;
            if mode == AltStack::DISABLE {
                block.altstack = AltStack { flags: keep, ..AltStack::NONE };
            } else {
                block.altstack = AltStack { sp, flags: keep, size };
            }
        }
        context.set_altstack(block.signal_stack.0, 0, block.signal_stack.1);
        context.set_pc(text::resume_pc(context.pc()));
        block.trap_blocked.set_from(context.mask());
        mask::release(block);
        context.set_mask(mask::for_kernel(context.mask()));
    }
    // SAFETY: `regs.sp()` is where the target's restorer left it, and all signals are blocked.
    unsafe { arch::sigreturn(regs.sp()) }
}
