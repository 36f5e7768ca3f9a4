//! The signal frame of aarch64: what the kernel pushes before it enters a handler and takes back at
//! `rt_sigreturn(2)` (`struct rt_sigframe`, arch/arm64/kernel/signal.c).
//!
//! ```text
//!   sp → struct siginfo                    128 bytes
//!        struct ucontext                  4560, the vector state in it
//!        records that found no room there
//!        frame record                       16: the interrupted x29 and x30
//! ```

use core::mem::size_of;

use super::call_regs::CallRegs;
use super::context::UContext;
use super::handler::target_restorer;
use super::{Context, KernelAction, SigInfo};
use crate::arch::copy;

/// Where the context is in a frame.
pub(in crate::arch) const CONTEXT: usize = size_of::<SigInfo>();
const FRAME: usize = CONTEXT + size_of::<UContext>();

/// Room for the additional records of a held signal: SVE with 2048 bits takes 9 KB.
const EXTRA_ROOM: usize = 16 * 1024;

/// Where the handler of `action` returns.
pub(super) fn return_address(action: &KernelAction) -> usize {
    action.restorer().unwrap_or_else(target_restorer)
}

/// The frame record of the frame at `frame`.
pub(super) fn record_of(frame: usize) -> usize {
    let context = Context((frame + CONTEXT) as *mut UContext);
    (frame + FRAME + context.extra()).next_multiple_of(16)
}

/// Builds the frame that the kernel would have built below `top` for a signal with `info` at
/// `context`, whose alternate stack is `altstack`, for the handler of `action`. Gives the handler's
/// stack pointer; `None` when it would leave `floor` below it, or
/// cannot be written.
///
/// # Safety
/// `context` must be complete with its vector state; `top` must be the target's choice: what lies
/// below is written as the kernel would write it.
pub unsafe fn build_frame(
    top: usize,
    floor: usize,
    info: &SigInfo,
    context: &Context,
    altstack: (usize, i32, usize),
    _action: &KernelAction,
) -> Option<usize> {
    let extra = context.extra();
    let record = (top & !15).wrapping_sub(16);
    let sp = record.wrapping_sub(FRAME + extra) & !15;
    if sp <= floor {
        return None;
    }
    let mut own = UContext {
        stack_sp: altstack.0 as u64,
        stack_flags: altstack.1,
        stack_size: altstack.2 as u64,
        ..*context.get()
    };
    let last = [own.x[29], own.x[30]];
    Context(&raw mut own).set_extra(sp + FRAME);
    // SAFETY: the places are inside [sp, top), which the caller gave us; the source has `extra`
    // bytes by its own record.
    let is_written = unsafe {
        copy(sp as *mut u8, core::ptr::from_ref(info).cast(), CONTEXT)
            && copy((sp + CONTEXT) as *mut u8, (&raw const own).cast(), size_of::<UContext>())
            && copy((sp + FRAME) as *mut u8, context.extra_at() as *const u8, extra)
            && copy(record as *mut u8, last.as_ptr().cast(), size_of_val(&last))
    };
    is_written.then_some(sp)
}

/// Bytes below the stack pointer that belong to the interrupted code: none (AAPCS64, 6.4.5).
pub const RED_ZONE: usize = 0;

/// Makes `regs` start the handler of `action` with the frame at `frame` instead of going on.
pub fn enter_handler(regs: &mut CallRegs, action: &KernelAction, signal: i32, frame: usize) {
    regs.x[0] = signal as u64;
    regs.x[1] = frame as u64;
    regs.x[2] = (frame + CONTEXT) as u64;
    regs.x[29] = record_of(frame) as u64;
    regs.x[30] = return_address(action) as u64;
    regs.sp = frame as u64;
    regs.pc = action.handler as u64;
    regs.pops = 0;
}

/// A signal that arrived while the resident ran: its frame, kept until the call ends.
#[repr(C, align(16))]
pub struct Extended {
    extra: [u8; EXTRA_ROOM],
    /// The kept siginfo.
    pub info: SigInfo,
    context: UContext,
}

impl Extended {
    /// Keeps a copy of a kernel frame.
    ///
    /// # Safety
    /// `info` must point to the frame's siginfo and `context` be the frame's.
    pub unsafe fn keep(&mut self, info: *const SigInfo, context: &Context) {
        // SAFETY: the caller's promise.
        self.info = unsafe { info.read() };
        self.context = *context.get();
        let len = context.extra().min(EXTRA_ROOM);
        // SAFETY: `len` bytes are there by the frame's own record, and fit.
        unsafe {
            core::ptr::copy_nonoverlapping(
                context.extra_at() as *const u8,
                self.extra.as_mut_ptr(),
                len,
            );
        }
        Context(&raw mut self.context).set_extra(self.extra.as_ptr() as usize);
    }

    /// The kept context with the caller's state instead of the resident's: general registers from
    /// `regs`, and the vector registers that the resident saved beside them. What SVE has beyond
    /// them no call preserves (Documentation/arch/arm64/sve.rst).
    pub fn as_caller(&mut self, regs: &CallRegs) -> Context {
        let mut context = Context(&raw mut self.context);
        context.take_regs(regs);
        context.take_vectors(regs.vectors());
        context
    }
}
