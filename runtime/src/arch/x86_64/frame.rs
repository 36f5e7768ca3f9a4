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
use super::entry::COMPAT_RCX;
use crate::patch::{Entry, SiteDesc};
use crate::thread::Block;

/// `struct siginfo`, as 64-bit words.
pub type SigInfo = [u64; 16];

/// `struct sigcontext_64` and around it `struct ucontext`
/// (arch/x86/include/uapi/asm/sigcontext.h, asm-generic/ucontext.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct UContext {
    flags: u64,
    link: u64,
    stack_sp: u64,
    stack_flags: i32,
    stack_pad: i32,
    stack_size: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    eflags: u64,
    segments: u64,
    err: u64,
    trapno: u64,
    oldmask: u64,
    cr2: u64,
    fpstate: u64,
    reserved: [u64; 8],
    sigmask: u64,
}

const _: () = assert!(size_of::<UContext>() == 304);

// arch/x86/include/uapi/asm/sigcontext.h
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const LEGACY_AREA: usize = 512;
const MXCSR: usize = 24;
const XMM: usize = 160;
const SOFTWARE: usize = 464;
/// The bit of the SSE component in `xstate_bv`, the first word after the legacy area.
const COMPONENT_SSE: u64 = 2;

// Flags that the kernel clears when it enters a handler (arch/x86/kernel/signal.c, handle_signal).
const DIRECTION_TRAP_RESUME: u64 = 1 << 10 | 1 << 8 | 1 << 16;

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

    /// The signals that were blocked.
    pub fn mask(&self) -> u64 {
        self.get().sigmask
    }

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        self.get_mut().sigmask = mask;
    }

    /// The alternate stack as the frame has it: start, flags, size.
    pub fn altstack(&self) -> (usize, i32, usize) {
        let c = self.get();
        (c.stack_sp as usize, c.stack_flags, c.stack_size as usize)
    }

    /// Sets what `rt_sigreturn` will make the alternate stack.
    pub fn set_altstack(&mut self, sp: usize, flags: i32, size: usize) {
        let c = self.get_mut();
        c.stack_sp = sp as u64;
        c.stack_flags = flags;
        c.stack_size = size as u64;
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

    /// Makes the context start the handler of `action` with the frame at `frame`.
    pub fn enter_handler(&mut self, action: &KernelAction, signal: i32, frame: usize) {
        let c = self.get_mut();
        c.rip = action.handler as u64;
        c.rsp = frame as u64;
        c.rdi = signal as u64;
        c.rsi = (frame + INFO) as u64;
        c.rdx = (frame + CONTEXT) as u64;
        c.rax = 0;
        c.eflags &= !DIRECTION_TRAP_RESUME;
        // A handler starts with the initial vector state (fpu__clear_user_states); rt_sigreturn
        // gives that for a context without one.
        c.fpstate = 0;
    }

    /// Bytes of vector state.
    fn vector_len(&self) -> usize {
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

const CONTEXT: usize = 8;
const INFO: usize = CONTEXT + size_of::<UContext>();
const FRAME: usize = INFO + size_of::<SigInfo>();

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
    let vectors = top.wrapping_sub(len) & !63;
    let sp = (vectors.wrapping_sub(FRAME) & !15).wrapping_sub(8);
    if sp <= floor {
        return None;
    }
    // SAFETY: the places are inside [sp, top), which the caller gave us; the source has `len`
    // bytes by its own software header.
    unsafe {
        core::ptr::copy_nonoverlapping(context.get().fpstate as *const u8, vectors as *mut u8, len);
        (sp as *mut usize).write(action.restorer);
        let copy = (sp + CONTEXT) as *mut UContext;
        copy.write(*context.get());
        (*copy).fpstate = if len == 0 { 0 } else { vectors as u64 };
        (*copy).stack_sp = altstack.0 as u64;
        (*copy).stack_flags = altstack.1;
        (*copy).stack_size = altstack.2 as u64;
        ((sp + INFO) as *mut SigInfo).write(*info);
    }
    Some(sp)
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
}

/// The address of the `ucontext` that `rt_sigreturn` called with `regs` would restore.
pub fn frame_of_sigreturn(regs: &CallRegs) -> (usize, usize) {
    (regs.sp(), size_of::<UContext>())
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
    /// `regs`, and the vector registers that the resident saved beside them. The upper halves are
    /// the target's already, because nothing in the resident touches them.
    pub fn as_caller(&mut self, regs: &CallRegs) -> Context {
        let mut context = Context(&raw mut self.context);
        context.take_regs(regs);
        // SAFETY: `vectors` are the 16 registers and mxcsr of entry.rs; the places lie in the
        // legacy area and the xstate header, both inside `self.vectors`.
        unsafe {
            let saved = regs.vectors();
            let image = self.vectors.as_mut_ptr();
            core::ptr::copy_nonoverlapping(saved, image.add(XMM), 256);
            core::ptr::copy_nonoverlapping(saved.add(256), image.add(MXCSR), 4);
            if context.vector_len() > LEGACY_AREA {
                let present = image.add(LEGACY_AREA) as *mut u64;
                present.write(present.read() | COMPONENT_SSE);
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
    /// Where the handler returns.
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
pub const ACTION_FLAGS: usize = 0x0400_0000;

const _: () = assert!(offset_of!(UContext, sigmask) == 296);

/// `si_code` of a siginfo (asm-generic/siginfo.h).
pub fn si_code(info: &SigInfo) -> i32 {
    info[1] as i32
}

/// `si_addr` of a siginfo of a fault.
pub fn si_addr(info: &SigInfo) -> usize {
    info[2] as usize
}

/// Sets `si_addr`, or `si_call_addr` of a `SIGSYS`, which lies in the same place.
pub fn set_si_addr(info: &mut SigInfo, address: usize) {
    info[2] = address as u64;
}

/// What `sigqueue(3)` of process `pid` would make of `value`.
pub fn queued_info(signal: i32, pid: i32, value: usize) -> SigInfo {
    let mut info = [0; 16];
    info[0] = u64::from(signal as u32);
    info[1] = u64::from(SI_QUEUE as u32);
    info[2] = u64::from(pid as u32);
    info[3] = value as u64;
    info
}

/// `si_value` of a siginfo that was queued.
pub fn si_value(info: &SigInfo) -> usize {
    info[3] as usize
}

/// `SI_QUEUE` (asm-generic/siginfo.h).
pub const SI_QUEUE: i32 = -1;

/// Sets `si_code`.
pub fn set_si_code(info: &mut SigInfo, code: i32) {
    info[1] = u64::from(code as u32);
}

/// The siginfo of a `SIGSYS` for call `number` of the architecture `arch`, behind whose instruction is
/// `address`.
pub fn user_dispatch_info(code: i32, address: usize, number: u32, arch: u32) -> SigInfo {
    let mut info = [0; 16];
    info[0] = u64::from(linux_raw_sys::general::SIGSYS);
    info[1] = u64::from(code as u32);
    info[2] = address as u64;
    info[3] = u64::from(arch) << 32 | u64::from(number);
    info
}
