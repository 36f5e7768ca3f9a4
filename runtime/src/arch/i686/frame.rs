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

use core::mem::{offset_of, size_of};

use super::call_regs::CallRegs;
use super::{patch, vdso};
use crate::patch::SiteDesc;
use crate::thread::Block;

/// `siginfo_t`, as words.
pub type SigInfo = [u32; 32];

/// `struct sigcontext_32` (arch/x86/include/uapi/asm/sigcontext.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SigContext {
    gs: u32,
    fs: u32,
    es: u32,
    ds: u32,
    edi: u32,
    esi: u32,
    ebp: u32,
    esp: u32,
    ebx: u32,
    edx: u32,
    ecx: u32,
    eax: u32,
    trapno: u32,
    err: u32,
    eip: u32,
    cs: u32,
    flags: u32,
    sp_at_signal: u32,
    ss: u32,
    fpstate: u32,
    pub(super) oldmask: u32,
    cr2: u32,
}

/// `struct ucontext_ia32` (arch/x86/include/asm/sigframe.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct UContext {
    flags: u32,
    link: u32,
    stack_sp: u32,
    stack_flags: i32,
    stack_size: u32,
    registers: SigContext,
    sigmask: u64,
}

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

// arch/x86/include/uapi/asm/sigcontext.h
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// The state of the x87 alone, as `fsave` writes it, before that of `fxsave`.
const FSAVE: usize = 112;
const LEGACY_AREA: usize = FSAVE + 512;
const MXCSR: usize = FSAVE + 24;
const XMM: usize = FSAVE + 160;
const SOFTWARE: usize = FSAVE + 464;
/// The bit of the SSE component in `xstate_bv`, the first word after the legacy area.
const COMPONENT_SSE: u64 = 2;

// Flags that the kernel clears when it enters a handler (arch/x86/kernel/signal.c, handle_signal).
const DIRECTION_TRAP_RESUME: u32 = 1 << 10 | 1 << 8 | 1 << 16;

const SA_SIGINFO: usize = 4;
const SA_RESTORER: usize = 0x0400_0000;

/// Room for the vector state of a held signal: AVX-512 takes 2.7 KB, AMX 11 KB.
const VECTOR_ROOM: usize = 15 * 1024;

/// A signal frame's `ucontext`, in whoever's memory it lies.
#[derive(Clone, Copy)]
pub struct Context(*mut UContext);

impl Context {
    /// The context that the kernel gave a handler as its third argument.
    ///
    /// # Safety
    /// `context` must point to a complete `ucontext` for as long as the value is used.
    pub unsafe fn new(context: usize) -> Self {
        Self(context as *mut UContext)
    }

    fn get(&self) -> &UContext {
        // SAFETY: `new` was promised a complete ucontext.
        unsafe { &*self.0 }
    }

    fn get_mut(&mut self) -> &mut UContext {
        // SAFETY: as in `get`; the value is not shared while it is changed: contexts belong to the
        // thread that was interrupted.
        unsafe { &mut *self.0 }
    }

    /// The interrupted address.
    pub fn pc(&self) -> usize {
        self.get().registers.eip as usize
    }

    /// The result of the call that the context has just made, if it has made one.
    pub fn result(&self) -> isize {
        self.get().registers.eax as i32 as isize
    }

    /// Makes the call that the context has just made one that is still to be made, with the same
    /// arguments. `false` where the result has overwritten one of them.
    pub fn ask_again(&mut self, number: u32) -> bool {
        self.set_result(number as isize);
        true
    }

    /// Sets the result of the call that the context has just made.
    pub fn set_result(&mut self, result: isize) {
        self.get_mut().registers.eax = result as u32;
    }

    /// Sets the address at which the context goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.get_mut().registers.eip = pc as u32;
    }

    /// The interrupted stack pointer.
    pub fn sp(&self) -> usize {
        self.get().registers.esp as usize
    }

    /// The signals that were blocked.
    pub fn mask(&self) -> u64 {
        self.get().sigmask
    }

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        let c = self.get_mut();
        c.sigmask = mask;
        c.registers.oldmask = mask as u32;
    }

    /// The alternate stack as the frame has it: start, flags, size.
    pub fn altstack(&self) -> (usize, i32, usize) {
        let c = self.get();
        (c.stack_sp as usize, c.stack_flags, c.stack_size as usize)
    }

    /// Sets what `rt_sigreturn` will make the alternate stack.
    pub fn set_altstack(&mut self, sp: usize, flags: i32, size: usize) {
        let c = self.get_mut();
        c.stack_sp = sp as u32;
        c.stack_flags = flags;
        c.stack_size = size as u32;
    }

    /// Makes the general registers those of `regs`.
    pub fn take_regs(&mut self, regs: &CallRegs) {
        let c = &mut self.get_mut().registers;
        (c.ebx, c.ecx, c.edx) = (regs.ebx, regs.ecx, regs.edx);
        (c.esi, c.edi, c.ebp, c.eax) = (regs.esi, regs.edi, regs.ebp, regs.eax);
        (c.esp, c.sp_at_signal) = (regs.esp, regs.esp);
        (c.eip, c.flags) = (regs.eip, regs.flags);
    }

    /// Makes the context what the exit code was about to make of the processor.
    pub fn finish_exit(&mut self, regs: &CallRegs) {
        self.take_regs(regs);
    }

    /// The context is at a site that has trapped: the call goes on in its stub at `stub`.
    pub fn enter_stub(&mut self, stub: usize, _block: &mut Block) {
        self.set_pc(stub);
    }

    /// Takes back what the stub of `site`, where the context is, has changed so far: ecx and edx, which
    /// it has pushed.
    ///
    /// # Safety
    /// The context must lie in that stub.
    pub unsafe fn leave_stub(&mut self, site: &SiteDesc) {
        let pushed = patch::pushed(site, self.pc());
        let c = &mut self.get_mut().registers;
        let stack = c.esp as *const u32;
        // SAFETY: the stub has pushed that many words (`patch/emit.rs`).
        unsafe {
            match pushed {
                2 => (c.edx, c.ecx) = (stack.read(), stack.add(1).read()),
                1 => c.ecx = stack.read(),
                _ => {}
            }
        }
        c.esp += 4 * pushed;
    }

    /// The same in the code of the vDSO's copy.
    pub fn leave_vdso(&mut self) {
        let Some((pc, pushed)) = vdso::interrupted(self.pc()) else { return };
        let c = &mut self.get_mut().registers;
        let stack = c.esp as *const u32;
        // SAFETY: the code has pushed that many words, the last one first.
        unsafe {
            if pushed > 0 {
                c.ecx = stack.add(pushed - 1).read();
            }
            if pushed > 1 {
                c.edx = stack.add(pushed - 2).read();
            }
            if pushed > 2 {
                c.ebp = stack.add(pushed - 3).read();
            }
        }
        c.esp += 4 * pushed as u32;
        c.eip = pc as u32;
    }

    /// Makes the context start the handler of `action` with the frame at `frame`.
    pub fn enter_handler(&mut self, action: &KernelAction, signal: i32, frame: usize) {
        let c = &mut self.get_mut().registers;
        c.eip = action.handler as u32;
        c.esp = frame as u32;
        (c.eax, c.edx, c.ecx) = arguments(action, signal, frame);
        c.flags &= !DIRECTION_TRAP_RESUME;
        // A handler starts with the initial vector state (fpu__clear_user_states); rt_sigreturn
        // gives that for a context without one.
        c.fpstate = 0;
    }

    /// Bytes of x87 and vector state.
    fn vector_len(&self) -> usize {
        let at = self.get().registers.fpstate as usize;
        if at == 0 {
            return 0;
        }
        // SAFETY: fpstate points to at least the legacy area.
        let (magic, size) = unsafe {
            let software = (at + SOFTWARE) as *const u32;
            (software.read_unaligned(), software.add(1).read_unaligned())
        };
        if magic == FP_XSTATE_MAGIC1 { size as usize } else { LEGACY_AREA }
    }
}

/// What a handler finds in eax, edx and ecx: its arguments once more, for code compiled with
/// `-mregparm=3`.
fn arguments(action: &KernelAction, signal: i32, frame: usize) -> (u32, u32, u32) {
    if action.flags & SA_SIGINFO == 0 {
        return (signal as u32, 0, 0);
    }
    let at = |offset: usize| (frame + offset) as u32;
    (signal as u32, at(offset_of!(RtFrame, info)), at(offset_of!(RtFrame, context)))
}

/// Builds the frame that the kernel would have built below `top` for a signal with `info` at
/// `context`, whose alternate stack is `altstack`, for the handler of `action`. Gives the handler's
/// stack pointer; `None` when it would not be above `floor`.
///
/// # Safety
/// `context` must be complete with its vector state; `top` must be the target's choice: what lies
/// below is written as the kernel would write it, and faults as the kernel's write would.
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
    unsafe {
        core::ptr::copy_nonoverlapping(
            context.get().registers.fpstate as *const u8,
            vectors as *mut u8,
            len,
        );
        if wants_info {
            (sp as *mut RtFrame).write(RtFrame {
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
            });
        } else {
            (sp as *mut OldFrame).write(OldFrame {
                return_to: return_to(offset_of!(OldFrame, restorer)),
                signal: info[0] as i32,
                registers,
                unused: [0; 624],
                extramask: (context.mask() >> 32) as u32,
                restorer: OLD_RESTORER,
            });
        }
    }
    Some(sp)
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

/// The address of the `ucontext` that `rt_sigreturn` called with `regs` would restore, and its size:
/// the return address has been taken off the stack.
pub fn frame_of_sigreturn(regs: &CallRegs) -> (usize, usize) {
    let frame = regs.sp().wrapping_sub(4);
    (frame.wrapping_add(offset_of!(RtFrame, context)), size_of::<UContext>())
}

impl OldFrame {
    /// The same state in a frame that `rt_sigreturn` takes, with what that would make the alternate
    /// stack.
    pub(super) fn widened(&self, altstack: (usize, i32, usize)) -> RtFrame {
        let mask = u64::from(self.extramask) << 32 | u64::from(self.registers.oldmask);
        RtFrame {
            return_to: 0,
            signal: self.signal,
            info_at: 0,
            context_at: 0,
            info: [0; 32],
            context: UContext {
                flags: 0,
                link: 0,
                stack_sp: altstack.0 as u32,
                stack_flags: altstack.1,
                stack_size: altstack.2 as u32,
                registers: self.registers,
                sigmask: mask,
            },
            restorer: RT_RESTORER,
        }
    }
}

/// A signal that arrived while the resident ran: its frame, kept until the call ends.
#[repr(C, align(64))]
pub struct Extended {
    vectors: [u8; VECTOR_ROOM],
    info: SigInfo,
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
    /// the x87 are the target's already, because nothing in the resident touches them.
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
            core::ptr::copy_nonoverlapping(saved, image.add(XMM), 128);
            core::ptr::copy_nonoverlapping(saved.add(128), image.add(MXCSR), 4);
            if len > LEGACY_AREA {
                let present = image.add(LEGACY_AREA) as *mut u64;
                present.write_unaligned(present.read_unaligned() | COMPONENT_SSE);
            }
        }
        context
    }

    /// The kept siginfo.
    pub fn info(&self) -> &SigInfo {
        &self.info
    }
}

/// `struct sigaction` as the kernel has it (arch/x86/include/asm/signal.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KernelAction {
    /// SIG_DFL, SIG_IGN or an address.
    pub handler: usize,
    /// SA_* flags.
    pub flags: usize,
    /// Where the handler returns, with `SA_RESTORER`.
    pub restorer: usize,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

impl KernelAction {
    /// `SIG_DFL`.
    pub const DEFAULT: Self = Self { handler: 0, flags: 0, restorer: 0, mask: 0 };

    /// The action with the place where its handler returns.
    pub fn returning_to(self, restorer: usize) -> Self {
        Self { restorer, flags: self.flags | ACTION_FLAGS, ..self }
    }

    /// Where its handler returns, if it says.
    pub fn restorer(&self) -> Option<usize> {
        (self.flags & ACTION_FLAGS != 0).then_some(self.restorer)
    }
}

/// Whether a frame needs `SA_RESTORER`, and what else the kernel must see with every handler.
pub const ACTION_FLAGS: usize = SA_RESTORER;

/// `si_code` of a siginfo (asm-generic/siginfo.h).
pub fn si_code(info: &SigInfo) -> i32 {
    info[2] as i32
}

/// `si_addr` of a siginfo of a fault.
pub fn si_addr(info: &SigInfo) -> usize {
    info[3] as usize
}

/// Sets `si_addr`, or `si_call_addr` of a `SIGSYS`, which lies in the same place.
pub fn set_si_addr(info: &mut SigInfo, address: usize) {
    info[3] = address as u32;
}

/// What `sigqueue(3)` of process `pid` would make of `value`.
pub fn queued_info(signal: i32, pid: i32, value: usize) -> SigInfo {
    let mut info = [0; 32];
    (info[0], info[2], info[3], info[5]) =
        (signal as u32, SI_QUEUE as u32, pid as u32, value as u32);
    info
}

/// `si_value` of a siginfo that was queued.
pub fn si_value(info: &SigInfo) -> usize {
    info[5] as usize
}

/// `SI_QUEUE` (asm-generic/siginfo.h).
pub const SI_QUEUE: i32 = -1;

/// Sets `si_code`.
pub fn set_si_code(info: &mut SigInfo, code: i32) {
    info[2] = code as u32;
}

/// The siginfo of a `SIGSYS` for call `number` of the architecture `arch`, behind whose instruction is
/// `address`.
pub fn user_dispatch_info(code: i32, address: usize, number: u32, arch: u32) -> SigInfo {
    let mut info = [0; 32];
    info[..6].copy_from_slice(&[
        linux_raw_sys::general::SIGSYS,
        0,
        code as u32,
        address as u32,
        number,
        arch,
    ]);
    info
}
