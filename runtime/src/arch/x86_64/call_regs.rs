//! The caller's registers at a site.

/// All that a caller had in its general registers when it made a call, and what it will have
/// when it goes on. The order is the one in which `entry.rs` pushes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CallRegs {
    /// Callee-saved registers and the rest, as the caller had them.
    pub r15: u64,
    /// See [`CallRegs::r15`].
    pub r14: u64,
    /// See [`CallRegs::r15`].
    pub r13: u64,
    /// See [`CallRegs::r15`].
    pub r12: u64,
    /// See [`CallRegs::r15`].
    pub rbp: u64,
    /// See [`CallRegs::r15`].
    pub rbx: u64,
    /// At a `syscall` the kernel leaves the flags here.
    pub r11: u64,
    /// Fourth argument.
    pub r10: u64,
    /// Sixth argument.
    pub r9: u64,
    /// Fifth argument.
    pub r8: u64,
    /// The call number on entry, the result on the way out.
    pub rax: u64,
    /// At a `syscall` the kernel leaves the address after it here.
    pub rcx: u64,
    /// Third argument.
    pub rdx: u64,
    /// Second argument.
    pub rsi: u64,
    /// First argument.
    pub rdi: u64,
    /// The call number as it was on entry.
    pub number: u64,
    /// Where the caller goes on: an address that can be jumped to.
    pub rip: u64,
    /// Flags.
    pub flags: u64,
    /// The caller's stack pointer.
    pub rsp: u64,
    /// The description of the site ([`crate::patch::SiteDesc`]), in the stub.
    pub desc: u64,
}

/// Bytes of vector state that `entry.rs` keeps below a [`CallRegs`]: xmm0 to xmm15 and mxcsr.
pub(in crate::arch) const VECTOR_AREA: usize = 16 * 16 + 16;

impl CallRegs {
    /// No registers at all: the state the kernel gives a new program.
    pub const ZERO: Self = Self {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        rbp: 0,
        rbx: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rax: 0,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        number: 0,
        rip: 0,
        flags: 0x202,
        rsp: 0,
        desc: 0,
    };

    /// The call number: what the kernel would have seen in `eax` (`arch/x86/entry/common.c` takes
    /// the low 32 bits).
    pub fn number(&self) -> usize {
        self.number as u32 as usize
    }

    /// The six arguments, of a `syscall`.
    pub fn args(&self) -> [usize; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9].map(|r| r as usize)
    }

    /// The six arguments, of an `int $0x80`: the 32-bit registers of the i386 convention.
    pub fn compat_args(&self) -> [usize; 6] {
        [self.rbx, self.rcx, self.rdx, self.rsi, self.rdi, self.rbp].map(|r| r as u32 as usize)
    }

    /// What the call left in the result register.
    pub fn result(&self) -> isize {
        self.rax as isize
    }

    /// Sets the result.
    pub fn set_result(&mut self, result: isize) {
        self.rax = result as u64;
    }

    /// Puts the call number back where the site's instruction takes it, for a call made again.
    pub fn rearm(&mut self) {
        self.rax = self.number;
    }

    /// The caller's stack pointer.
    pub fn sp(&self) -> usize {
        self.rsp as usize
    }

    /// Sets the stack pointer with which the caller goes on.
    pub fn set_sp(&mut self, sp: usize) {
        self.rsp = sp as u64;
    }

    /// The address at which the caller goes on.
    pub fn pc(&self) -> usize {
        self.rip as usize
    }

    /// Sets the address at which the caller goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.rip = pc as u64;
    }

    /// Goes on behind the call of the function that was entered: its `ret`.
    pub fn return_to_caller(&mut self) {
        // SAFETY: the function was called, and the return address not yet taken off the stack.
        self.rip = unsafe { (self.rsp as *const u64).read() };
        self.rsp += 8;
    }

    /// Leaves the scratch registers as the kernel would after a `syscall` that goes on at `after`
    /// (Intel SDM, SYSCALL: rcx is the next address, r11 the flags).
    pub fn set_clobbers(&mut self, after: usize) {
        self.rcx = after as u64;
        self.r11 = self.flags;
    }

    /// Where `entry.rs` keeps the caller's vector registers.
    pub(in crate::arch) fn vectors(&self) -> *mut u8 {
        (core::ptr::from_ref(self) as usize - VECTOR_AREA) as *mut u8
    }
}
