//! The signal frames of i386: what the kernel pushes before it enters a handler and takes back at
//! `sigreturn(2)` and `rt_sigreturn(2)` (arch/x86/include/asm/sigframe.h). A handler that did not ask
//! for `SA_SIGINFO` gets the older kind.
//!
//! ```text
//!   sp → return address                    sp ≡ 12 (mod 16)
//!        signal, [&siginfo, &ucontext]     the handler's arguments
//!        siginfo, ucontext                 or sigcontext, unused, upper half of the mask
//!        the bytes of a restorer           8, what debuggers know a frame by
//!        …
//!        x87 state as fsave has it         112, then vector state (64-byte aligned)
//! ```

use core::arch::asm;
use core::mem::{offset_of, size_of};

use super::call_regs::CallRegs;
use super::context::{DIRECTION_TRAP_RESUME, FSAVE, LEGACY_AREA, SigContext, UContext};
use super::{Context, KernelAction, SigInfo, vdso};
use crate::arch::{copy, extended};
use crate::memory::User;
use crate::sys::Result;

/// `struct rt_sigframe_ia32`.
#[repr(C)]
pub(super) struct RtFrame {
    return_to: u32,
    signal: i32,
    info_at: u32,
    context_at: u32,
    info: SigInfo,
    context: UContext,
    restorer: [u8; 8],
}

/// `struct sigframe_ia32`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OldFrame {
    return_to: u32,
    signal: i32,
    pub(super) registers: SigContext,
    unused: [u8; 624],
    /// Signals 33 to 64 of the mask.
    pub(super) extramask: u32,
    restorer: [u8; 8],
}

const _: () = assert!(size_of::<RtFrame>() == 268 && size_of::<OldFrame>() == 732);

/// `movl $173, %eax; int $0x80`.
const RT_RESTORER: [u8; 8] = [0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0];
/// `popl %eax; movl $119, %eax; int $0x80`.
const OLD_RESTORER: [u8; 8] = [0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80];

const MXCSR: usize = FSAVE + 24;
const XMM: usize = FSAVE + 160;
/// The bit of the SSE component in `xstate_bv`, the first word after the legacy area.
const COMPONENT_SSE: u64 = 2;

const SA_SIGINFO: usize = 4;

/// Room for the vector state of a held signal: AVX-512 takes 2.7 KB, AMX 11 KB.
const VECTOR_ROOM: usize = 15 * 1024;

/// What a handler finds in eax, edx and ecx: its arguments once more, for code compiled with
/// `-mregparm=3`.
pub(super) fn arguments(action: &KernelAction, signal: i32, frame: usize) -> (u32, u32, u32) {
    if action.flags & SA_SIGINFO == 0 {
        return (signal as u32, 0, 0);
    }
    let at = |offset: usize| (frame + offset) as u32;
    (signal as u32, at(offset_of!(RtFrame, info)), at(offset_of!(RtFrame, context)))
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
    action: &KernelAction,
) -> Option<usize> {
    let len = context.vector_len();
    let extended = (top.wrapping_sub(len.saturating_sub(FSAVE)) & !63).wrapping_sub(FSAVE);
    let vectors = if len == 0 { top } else { extended };
    let wants_info = action.flags & SA_SIGINFO != 0;
    let size = if wants_info { size_of::<RtFrame>() } else { size_of::<OldFrame>() };
    let sp = (vectors.wrapping_sub(size).wrapping_add(4) & !15).wrapping_sub(4);
    if sp <= floor {
        return None;
    }
    let mut registers = context.get().registers;
    registers.fpstate = if len == 0 { 0 } else { vectors as u32 };
    registers.oldmask = context.mask() as u32;
    let return_to = |own: usize| {
        let restorer = action.restorer().or_else(|| vdso::restorer(wants_info));
        restorer.unwrap_or(sp + own) as u32
    };
    // SAFETY: the places are inside [sp, top), which the caller gave us; the source has `len`
    // bytes by its own software header.
    let is_written = unsafe {
        copy(vectors as *mut u8, context.get().registers.fpstate as *const u8, len)
            && if wants_info {
                write(
                    sp,
                    &RtFrame {
                        return_to: return_to(offset_of!(RtFrame, restorer)),
                        signal: info[0] as i32,
                        info_at: (sp + offset_of!(RtFrame, info)) as u32,
                        context_at: (sp + offset_of!(RtFrame, context)) as u32,
                        info: *info,
                        context: UContext {
                            registers,
                            stack_sp: altstack.0 as u32,
                            stack_flags: altstack.1,
                            stack_size: altstack.2 as u32,
                            ..*context.get()
                        },
                        restorer: RT_RESTORER,
                    },
                )
            } else {
                write(
                    sp,
                    &OldFrame {
                        return_to: return_to(offset_of!(OldFrame, restorer)),
                        signal: info[0] as i32,
                        registers,
                        unused: [0; 624],
                        extramask: (context.mask() >> 32) as u32,
                        restorer: OLD_RESTORER,
                    },
                )
            }
    };
    is_written.then_some(sp)
}

/// Puts a frame at `sp`, if it can be written there.
///
/// # Safety
/// The place must be the target's choice.
unsafe fn write<T>(sp: usize, frame: &T) -> bool {
    // SAFETY: the caller's promise.
    unsafe { copy(sp as *mut u8, core::ptr::from_ref(frame).cast(), size_of::<T>()) }
}

/// Bytes below the stack pointer that belong to the interrupted code: none.
pub const RED_ZONE: usize = 0;

/// Makes `regs` start the handler of `action` with the frame at `frame` instead of going on.
pub fn enter_handler(regs: &mut CallRegs, action: &KernelAction, signal: i32, frame: usize) {
    regs.eip = action.handler as u32;
    regs.esp = frame as u32;
    (regs.eax, regs.edx, regs.ecx) = arguments(action, signal, frame);
    regs.flags &= !DIRECTION_TRAP_RESUME;
    // A handler starts with the initial vector and x87 state (fpu__clear_user_states).
    // SAFETY: `vectors` is where exit.rs restores the vector registers and mxcsr from; what the
    // caller had in them and in the x87 registers is in the frame.
    unsafe {
        regs.vectors().write_bytes(0, 8 * 16);
        (regs.vectors().add(8 * 16) as *mut u32).write(0x1f80);
        core::arch::asm!("fninit", options(nomem, nostack, preserves_flags));
    }
}

/// What `rt_sigreturn` takes back of a frame: a copy, which can be changed where the frame is only to be read.
pub struct Returning(UContext);

impl Returning {
    /// Where the context is from the stack pointer on: the return address has been taken off the stack.
    const CONTEXT: usize = offset_of!(RtFrame, context) - 4;

    /// That of the frame that `rt_sigreturn` called with `regs` would restore.
    pub fn of(regs: &CallRegs) -> Result<Self> {
        User::new(regs.sp().wrapping_add(Self::CONTEXT)).read().map(Self)
    }

    /// What will be restored.
    pub fn context(&mut self) -> Context {
        Context(&raw mut self.0)
    }

    /// The stack pointer to call with. Of the frame there the kernel looks at the context alone.
    pub fn sp(&self, _regs: &CallRegs) -> usize {
        (&raw const self.0 as usize).wrapping_sub(Self::CONTEXT)
    }
}

impl OldFrame {
    /// The same state as `rt_sigreturn` takes it, with what that would make the alternate stack.
    pub(super) fn widened(&self, altstack: (usize, i32, usize)) -> Returning {
        Returning(UContext {
            flags: 0,
            link: 0,
            stack_sp: altstack.0 as u32,
            stack_flags: altstack.1,
            stack_size: altstack.2 as u32,
            registers: self.registers,
            sigmask: u64::from(self.extramask) << 32 | u64::from(self.registers.oldmask),
        })
    }
}

/// A signal that arrived while the resident ran: its frame, kept until the call ends.
#[repr(C, align(64))]
pub struct Extended {
    /// So that what is behind the fsave area is a multiple of 64, as `xsave` wants it.
    pad: [u8; 64 - FSAVE % 64],
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
        // SAFETY: the caller's promise.
        self.info = unsafe { info.read() };
        self.context = *context.get();
        let len = context.vector_len().min(VECTOR_ROOM);
        if len == 0 {
            return;
        }
        // SAFETY: `len` bytes are there by the frame's own header, and fit.
        unsafe {
            core::ptr::copy_nonoverlapping(
                self.context.registers.fpstate as *const u8,
                self.vectors.as_mut_ptr(),
                len,
            );
        }
        self.context.registers.fpstate = self.vectors.as_ptr() as u32;
    }

    /// The kept context with the caller's state instead of the resident's: general registers from
    /// `regs`, and the vector registers that the resident saved beside them. The upper halves and
    /// the x87 are the target's, because nothing in the resident touches them; those that a module's
    /// code may have changed are in place again, and taken from there.
    pub fn as_caller(&mut self, regs: &CallRegs) -> Context {
        let mut context = Context(&raw mut self.context);
        context.take_regs(regs);
        let len = context.vector_len();
        if len == 0 {
            return context;
        }
        // SAFETY: `vectors` are the 8 registers and mxcsr of entry.rs; the places lie in the
        // legacy area and the xstate header, both inside `self.vectors`.
        unsafe {
            let saved = regs.vectors();
            let image = self.vectors.as_mut_ptr();
            if len > LEGACY_AREA && extended::take_back(image.add(FSAVE)) {
                // The kernel takes the x87's words from here (arch/x86/kernel/fpu/signal.c, __fpu_restore_sig).
                asm!("fnsave [{0}]", "frstor [{0}]", in(reg) image, options(nostack));
            }
            core::ptr::copy_nonoverlapping(saved, image.add(XMM), 128);
            core::ptr::copy_nonoverlapping(saved.add(128), image.add(MXCSR), 4);
            if len > LEGACY_AREA {
                let present = image.add(LEGACY_AREA) as *mut u64;
                present.write_unaligned(present.read_unaligned() | COMPONENT_SSE);
                // The kernel has made the frame by XSAVE. What the caller had is in it.
                crate::arch::xstate::start_handler();
            }
        }
        context
    }
}
