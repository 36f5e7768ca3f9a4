//! The signal frame of x86-64: what the kernel pushes before it enters a handler and takes back at
//! `rt_sigreturn(2)` (`struct rt_sigframe`, arch/x86/include/asm/sigframe.h).
//!
//! ```text
//!   sp → return address (sa_restorer)      8 bytes, sp ≡ 8 (mod 16)
//!        struct ucontext                  304
//!        struct siginfo                   128
//!        …
//!        vector state (64-byte aligned)   as long as its software bytes say
//! ```

use core::mem::{offset_of, size_of};

use super::call_regs::CallRegs;
use super::context::{DIRECTION_TRAP_RESUME, LEGACY_AREA, UContext};
use super::{Context, KernelAction, SigInfo, keys};
use crate::arch::{copy, extended};
use crate::memory::User;
use crate::sys::Result;

// The places of the SSE state in the legacy area (struct fxregs_state, arch/x86/include/asm/fpu/types.h).
const MXCSR: usize = 24;
const XMM: usize = 160;
/// The bit of the SSE component in `xstate_bv`, the first word after the legacy area.
const COMPONENT_SSE: u64 = 2;

/// Room for the vector state of a held signal: AVX-512 takes 2.7 KB, AMX 11 KB.
const VECTOR_ROOM: usize = 15 * 1024;

/// Where in a frame the `ucontext` is.
pub(super) const CONTEXT: usize = 8;
/// Where the siginfo is.
pub(super) const INFO: usize = CONTEXT + size_of::<UContext>();
const FRAME: usize = INFO + size_of::<SigInfo>();

/// What is below the vector state.
#[repr(C)]
struct Frame {
    restorer: usize,
    context: UContext,
    info: SigInfo,
}

const _: () = assert!(offset_of!(Frame, info) == INFO && size_of::<Frame>() == FRAME);

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
    action: &KernelAction,
) -> Option<usize> {
    let len = context.vector_len();
    let vectors = top.wrapping_sub(len) & !63;
    let sp = (vectors.wrapping_sub(FRAME) & !15).wrapping_sub(8);
    if sp <= floor {
        return None;
    }
    let frame = Frame {
        restorer: action.restorer,
        context: UContext {
            fpstate: if len == 0 { 0 } else { vectors as u64 },
            stack_sp: altstack.0 as u64,
            stack_flags: altstack.1,
            stack_size: altstack.2 as u64,
            ..*context.get()
        },
        info: *info,
    };
    // SAFETY: the places are inside [sp, top), which the caller gave us; the source has `len`
    // bytes by its own software header.
    let is_written = unsafe {
        copy(vectors as *mut u8, context.get().fpstate as *const u8, len)
            && copy(sp as *mut u8, (&raw const frame).cast(), FRAME)
    };
    is_written.then_some(sp)
}

/// Bytes below the stack pointer that belong to the interrupted code (System V ABI, 3.2.2).
pub const RED_ZONE: usize = 128;

/// Makes `regs` start the handler of `action` with the frame at `frame` instead of going on.
pub fn enter_handler(regs: &mut CallRegs, action: &KernelAction, signal: i32, frame: usize) {
    regs.rip = action.handler as u64;
    regs.rsp = frame as u64;
    regs.rdi = signal as u64;
    regs.rsi = (frame + INFO) as u64;
    regs.rdx = (frame + CONTEXT) as u64;
    regs.rax = 0;
    regs.flags &= !DIRECTION_TRAP_RESUME;
    // A handler starts with the initial vector and x87 state (fpu__clear_user_states).
    // SAFETY: `vectors` is where exit.rs restores the vector registers and mxcsr from; what the
    // caller had in them and in the x87 registers is in the frame.
    unsafe {
        regs.vectors().write_bytes(0, 16 * 16);
        (regs.vectors().add(16 * 16) as *mut u32).write(0x1f80);
        core::arch::asm!("fninit", options(nomem, nostack, preserves_flags));
    }
    keys::begin_handler();
}

/// What `rt_sigreturn` takes back of a frame: a copy, which can be changed where the frame is only to be read.
pub struct Returning(UContext);

impl Returning {
    /// That of the frame that `rt_sigreturn` called with `regs` would restore.
    pub fn of(regs: &CallRegs) -> Result<Self> {
        User::new(regs.sp()).read().map(Self)
    }

    /// What will be restored.
    pub fn context(&mut self) -> Context {
        Context(&raw mut self.0)
    }

    /// The stack pointer to call with: the return address has been taken off the stack.
    pub fn sp(&self, _regs: &CallRegs) -> usize {
        &raw const self.0 as usize
    }
}

/// A signal that arrived while the resident ran: its frame, kept until the call ends.
#[repr(C, align(64))]
pub struct Extended {
    vectors: [u8; VECTOR_ROOM],
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
        keys::note_beginning();
        // SAFETY: the caller's promise.
        self.info = unsafe { info.read() };
        self.context = *context.get();
        let len = context.vector_len().min(VECTOR_ROOM);
        // SAFETY: `len` bytes are there by the frame's own header, and fit.
        unsafe {
            core::ptr::copy_nonoverlapping(
                self.context.fpstate as *const u8,
                self.vectors.as_mut_ptr(),
                len,
            );
        }
        self.context.fpstate = self.vectors.as_ptr() as u64;
    }

    /// The kept context with the caller's state instead of the resident's: general registers from
    /// `regs`, and the vector registers that the resident saved beside them. The upper halves are the
    /// target's, because nothing in the resident touches them; those that a module's code may have changed
    /// are in place again, and taken from there.
    pub fn as_caller(&mut self, regs: &CallRegs) -> Context {
        let mut context = Context(&raw mut self.context);
        context.take_regs(regs);
        // SAFETY: `vectors` are the 16 registers and mxcsr of entry.rs; the places lie in the
        // legacy area and the xstate header, both inside `self.vectors`.
        unsafe {
            let saved = regs.vectors();
            let image = self.vectors.as_mut_ptr();
            if context.vector_len() > LEGACY_AREA {
                let _ = extended::take_back(image);
            }
            core::ptr::copy_nonoverlapping(saved, image.add(XMM), 256);
            core::ptr::copy_nonoverlapping(saved.add(256), image.add(MXCSR), 4);
            if context.vector_len() > LEGACY_AREA {
                let present = image.add(LEGACY_AREA) as *mut u64;
                present.write(present.read() | COMPONENT_SSE);
                // The kernel has made the frame by XSAVE. What the caller had is in it.
                crate::arch::xstate::start_handler();
            }
        }
        context
    }
}
