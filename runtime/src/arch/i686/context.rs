//! The context of a signal frame: `struct ucontext_ia32`, and the vector state that it leads to.

use super::call_regs::CallRegs;
use super::{KernelAction, patch, vdso};
use crate::arch::context::Context;
use crate::patch::SiteDesc;
use crate::thread::Block;

/// `struct sigcontext_32` (arch/x86/include/uapi/asm/sigcontext.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::arch) struct SigContext {
    pub gs: u32,
    pub fs: u32,
    pub es: u32,
    pub ds: u32,
    pub edi: u32,
    pub esi: u32,
    pub ebp: u32,
    pub esp: u32,
    pub ebx: u32,
    pub edx: u32,
    pub ecx: u32,
    pub eax: u32,
    pub trapno: u32,
    pub err: u32,
    pub eip: u32,
    pub cs: u32,
    pub flags: u32,
    pub sp_at_signal: u32,
    pub ss: u32,
    pub fpstate: u32,
    pub oldmask: u32,
    pub cr2: u32,
}

/// `struct ucontext_ia32` (arch/x86/include/asm/sigframe.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::arch) struct UContext {
    pub flags: u32,
    pub link: u32,
    pub stack_sp: u32,
    pub stack_flags: i32,
    pub stack_size: u32,
    pub registers: SigContext,
    pub sigmask: u64,
}

// arch/x86/include/uapi/asm/sigcontext.h
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// The state of the x87 alone, as `fsave` writes it, before that of `fxsave`.
pub(super) const FSAVE: usize = 112;
pub(super) const LEGACY_AREA: usize = FSAVE + 512;
const SOFTWARE: usize = FSAVE + 464;

// Flags that the kernel clears when it enters a handler (arch/x86/kernel/signal.c, handle_signal).
pub(super) const DIRECTION_TRAP_RESUME: u32 = 1 << 10 | 1 << 8 | 1 << 16;

impl Context {
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

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        let c = self.get_mut();
        c.sigmask = mask;
        c.registers.oldmask = mask as u32;
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

    /// Whether the context is in what the vDSO's copy has instead of three instructions.
    pub fn is_in_vdso(&self) -> bool {
        vdso::interrupted(self.pc()).is_some()
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
        (c.eax, c.edx, c.ecx) = super::frame::arguments(action, signal, frame);
        c.flags &= !DIRECTION_TRAP_RESUME;
        // The signal may have found 64-bit code, or segments that lead nowhere: a handler begins with those that ours has
        // begun with (ia32_setup_rt_frame).
        // SAFETY: only reads registers.
        unsafe {
            core::arch::asm!("mov {:e}, cs", out(reg) c.cs, options(nomem, nostack, preserves_flags));
            core::arch::asm!("mov {:e}, ss", out(reg) c.ss, options(nomem, nostack, preserves_flags));
        }
        (c.ds, c.es) = (c.ss, c.ss);
        // A handler starts with the initial vector state (fpu__clear_user_states); rt_sigreturn
        // gives that for a context without one.
        c.fpstate = 0;
    }

    /// Bytes of x87 and vector state.
    pub(super) fn vector_len(&self) -> usize {
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
