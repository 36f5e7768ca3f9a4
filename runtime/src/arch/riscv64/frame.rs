//! The signal frame of riscv64: what the kernel pushes before it enters a handler and takes back at
//! `rt_sigreturn(2)` (`struct rt_sigframe`, arch/riscv/kernel/signal.c): a siginfo, a ucontext, and
//! the state of the vector extension behind.

use core::mem::size_of;

use super::call_regs::{A0, CallRegs, RA, SP};
use super::context::UContext;
use super::handler::target_restorer;
use super::{Context, SigInfo};
use crate::arch::copy;

/// Where the context is in a frame.
pub(in crate::arch) const CONTEXT: usize = size_of::<SigInfo>();
const FRAME: usize = CONTEXT + size_of::<UContext>();

/// Builds the frame that the kernel would have built below `top` for a signal with `info` at
/// `context`, whose alternate stack is `altstack`. Gives the handler's stack pointer; `None` when it
/// would leave `floor` below it, or cannot be written.
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
    let sp = top.wrapping_sub(FRAME + extra) & !15;
    if sp <= floor {
        return None;
    }
    let own = UContext {
        stack_sp: altstack.0 as u64,
        stack_flags: altstack.1,
        stack_size: altstack.2 as u64,
        ..*context.get()
    };
    let behind = sp + FRAME;
    // SAFETY: the places are inside [sp, top), which the caller gave us; the source has `extra`
    // bytes by its own head.
    let is_written = unsafe {
        copy(sp as *mut u8, core::ptr::from_ref(info).cast(), CONTEXT)
            && copy((sp + CONTEXT) as *mut u8, (&raw const own).cast(), size_of::<UContext>())
            && copy(behind as *mut u8, context.extra_at() as *const u8, extra)
            && context.registers_moved_to(behind).is_none_or(|(at, registers)| {
                copy(at as *mut u8, (&raw const registers).cast(), size_of_val(&registers))
            })
    };
    is_written.then_some(sp)
}

/// Bytes below the stack pointer that belong to the interrupted code: none (RISC-V ELF psABI, 2.1).
pub const RED_ZONE: usize = 0;

/// Makes the registers in `x` start `handler` with the frame at `frame`.
pub(super) fn enter(x: &mut [u64; 32], handler: usize, signal: i32, frame: usize) {
    x[0] = handler as u64;
    x[RA] = target_restorer() as u64;
    x[SP] = frame as u64;
    x[A0] = signal as u64;
    x[A0 + 1] = frame as u64;
    x[A0 + 2] = (frame + CONTEXT) as u64;
}

/// Makes `regs` start the handler of `action` with the frame at `frame` instead of going on.
pub fn enter_handler(regs: &mut CallRegs, action: &KernelAction, signal: i32, frame: usize) {
    enter(&mut regs.x, action.handler, signal, frame);
}

/// A signal that arrived while the resident ran: its frame, kept until the call ends.
#[repr(C, align(16))]
pub struct Extended {
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
        // No call preserves the vector registers (Documentation/arch/riscv/vector.rst).
        Context(&raw mut self.context).drop_extra();
    }

    /// The kept context with the caller's state instead of the resident's.
    pub fn as_caller(&mut self, regs: &CallRegs) -> Context {
        let mut context = Context(&raw mut self.context);
        context.take_regs(regs);
        context.take_vectors(regs.vectors());
        context
    }
}

/// `struct sigaction` as the kernel has it (asm-generic/signal.h, without `SA_RESTORER`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KernelAction {
    /// SIG_DFL, SIG_IGN or an address.
    pub handler: usize,
    /// SA_* flags.
    pub flags: usize,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

impl KernelAction {
    /// `SIG_DFL`.
    pub const DEFAULT: Self = Self { handler: 0, flags: 0, mask: 0 };

    /// The action with the place where its handler returns: it has no room for that.
    pub fn returning_to(self, _restorer: usize) -> Self {
        self
    }

    /// Where its handler returns, if it says: it cannot.
    pub fn restorer(&self) -> Option<usize> {
        None
    }
}

/// No `SA_RESTORER`.
pub const ACTION_FLAGS: usize = 0;
