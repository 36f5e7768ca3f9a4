//! The context of a signal frame: `struct ucontext`, and the vector state that it leads to.

use core::mem::{offset_of, size_of};

use super::KernelAction;
use super::call_regs::CallRegs;
use super::entry::COMPAT_RCX;
use crate::arch::context::Context;
use crate::patch::{Entry, SiteDesc};
use crate::thread::Block;

/// `struct sigcontext_64` and around it `struct ucontext`
/// (arch/x86/include/uapi/asm/sigcontext.h, asm-generic/ucontext.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::arch) struct UContext {
    pub flags: u64,
    pub link: u64,
    pub stack_sp: u64,
    pub stack_flags: i32,
    pub stack_pad: i32,
    pub stack_size: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub eflags: u64,
    pub segments: u64,
    pub err: u64,
    pub trapno: u64,
    pub oldmask: u64,
    pub cr2: u64,
    pub fpstate: u64,
    pub reserved: [u64; 8],
    pub sigmask: u64,
}

const _: () = assert!(size_of::<UContext>() == 304);
const _: () = assert!(offset_of!(UContext, sigmask) == 296);

// arch/x86/include/uapi/asm/sigcontext.h
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
pub(super) const LEGACY_AREA: usize = 512;
const SOFTWARE: usize = 464;

// Flags that the kernel clears when it enters a handler (arch/x86/kernel/signal.c, handle_signal).
pub(super) const DIRECTION_TRAP_RESUME: u64 = 1 << 10 | 1 << 8 | 1 << 16;
/// The frame's stack segment is taken as it is (`UC_STRICT_RESTORE_SS`, arch/x86/include/uapi/asm/ucontext.h).
const STRICT_SS: u64 = 4;
/// The segment of 64-bit code (`__USER_CS`).
const CODE: u64 = 0x33;

impl Context {
    /// The interrupted address.
    pub fn pc(&self) -> usize {
        self.get().rip as usize
    }

    /// Sets the address at which the context goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.get_mut().rip = pc as u64;
    }

    /// The result of the call that the context has just made, if it has made one.
    pub fn result(&self) -> isize {
        self.get().rax as isize
    }

    /// Makes the call that the context has just made one that is still to be made, with the same
    /// arguments. `false` where the result has overwritten one of them.
    pub fn ask_again(&mut self, number: u32) -> bool {
        self.set_result(number as isize);
        true
    }

    /// Sets the result of the call that the context has just made.
    pub fn set_result(&mut self, result: isize) {
        self.get_mut().rax = result as u64;
    }

    /// The interrupted stack pointer.
    pub fn sp(&self) -> usize {
        self.get().rsp as usize
    }

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        self.get_mut().sigmask = mask;
    }

    /// Makes the general registers those of `regs`.
    pub fn take_regs(&mut self, regs: &CallRegs) {
        let c = self.get_mut();
        (c.r8, c.r9, c.r10, c.r11) = (regs.r8, regs.r9, regs.r10, regs.r11);
        (c.r12, c.r13, c.r14, c.r15) = (regs.r12, regs.r13, regs.r14, regs.r15);
        (c.rdi, c.rsi, c.rbp, c.rbx) = (regs.rdi, regs.rsi, regs.rbp, regs.rbx);
        (c.rdx, c.rax, c.rcx, c.rsp) = (regs.rdx, regs.rax, regs.rcx, regs.rsp);
        (c.rip, c.eflags) = (regs.rip, regs.flags);
    }

    /// Makes the context what the exit code was about to make of the processor.
    pub fn finish_exit(&mut self, regs: &CallRegs) {
        self.take_regs(regs);
    }

    /// The context is at a site that has trapped: the call goes on in its stub at `stub`.
    pub fn enter_stub(&mut self, stub: usize, _block: &mut Block) {
        self.set_pc(stub);
    }

    /// The context is behind an instruction that the kernel has dispatched: the call goes on in the
    /// resident.
    pub fn enter_anywhere(&mut self, compat: bool, block: &mut Block) {
        let (native, old) = super::anywhere_entries();
        let c = self.get_mut();
        if compat {
            super::thread::claim_thread_register(block);
            block.spill[5] = c.rcx as usize;
        }
        c.rcx = c.rip;
        c.rip = if compat { old } else { native } as u64;
    }

    /// The same behind the system call of a stub, whose site has its description at `desc`.
    pub fn enter_site(&mut self, desc: usize) {
        let (native, _) = super::syscall_entries();
        let c = self.get_mut();
        c.r11 = desc as u64;
        c.rip = native as u64;
    }

    /// What a call at a site before `address` leaves where the kernel puts that.
    pub fn set_address_behind(&mut self, address: usize) {
        self.get_mut().rcx = address as u64;
    }

    /// Where the description of the site is at the entry of a watched call.
    pub fn entering_site(&self) -> usize {
        self.get().r11 as usize
    }

    /// Makes the registers those that the kernel would show, for a context in the stub of `site`. What a
    /// `syscall` has left in rcx is the address behind the site, not the one in the stub; at an `int
    /// $0x80` the stub has put rcx aside.
    ///
    /// # Safety
    /// The context must lie in that stub.
    pub unsafe fn leave_stub(&mut self, site: &SiteDesc) {
        let (at, pc) = (core::ptr::from_ref(site) as usize, self.pc());
        let c = self.get_mut();
        if site.entry == Entry::Int80 as u8 {
            if c.rcx == at as u64 {
                // SAFETY: rcx has the description's address only when the stub has put the caller's
                // value there.
                c.rcx = unsafe { (c.rsp as *const u64).byte_sub(COMPAT_RCX as usize).read() };
            }
        } else if pc == at - usize::from(site.gate) + super::SYSCALL_INSTRUCTION {
            let site = at.wrapping_add_signed(site.site as isize);
            c.rcx = (site + super::SYSCALL_INSTRUCTION) as u64;
        }
    }

    /// The same for a stub of the vDSO's own, where there are such: its sites are those of any file.
    pub fn leave_vdso(&mut self) {}

    /// Whether the context is in such a stub: there is none.
    pub fn is_in_vdso(&self) -> bool {
        false
    }

    /// Makes the context start the handler of `action` with the frame at `frame`.
    pub fn enter_handler(&mut self, action: &KernelAction, signal: i32, frame: usize) {
        let c = self.get_mut();
        c.rip = action.handler as u64;
        c.rsp = frame as u64;
        c.rdi = signal as u64;
        c.rsi = (frame + super::frame::INFO) as u64;
        c.rdx = (frame + super::frame::CONTEXT) as u64;
        c.rax = 0;
        // The signal may have found 32-bit code, or a stack segment that is none any more: the kernel makes that a valid one
        // where it need not be strict (x64_setup_rt_frame, restore_sigcontext).
        c.segments = c.segments & !0xffff | CODE;
        c.flags &= !STRICT_SS;
        c.eflags &= !DIRECTION_TRAP_RESUME;
        // A handler starts with the initial vector state (fpu__clear_user_states); rt_sigreturn
        // gives that for a context without one.
        c.fpstate = 0;
    }

    /// Bytes of vector state.
    pub(super) fn vector_len(&self) -> usize {
        let at = self.get().fpstate as usize;
        if at == 0 {
            return 0;
        }
        // SAFETY: fpstate points to at least the 512 bytes of the legacy area.
        let (magic, size) = unsafe {
            let software = (at + SOFTWARE) as *const u32;
            (software.read_unaligned(), software.add(1).read_unaligned())
        };
        if magic == FP_XSTATE_MAGIC1 { size as usize } else { LEGACY_AREA }
    }
}
