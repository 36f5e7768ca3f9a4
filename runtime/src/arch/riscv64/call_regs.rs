//! The caller's registers at a site.

/// All that a caller had in its general registers when it made a call, and what it will have when
/// it goes on.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct CallRegs {
    /// x1 to x31 at their numbers, and in the place of x0 where the caller goes on
    /// (`struct user_regs_struct`, arch/riscv/include/uapi/asm/ptrace.h).
    pub x: [u64; 32],
    /// The call number as it was on entry.
    pub number: u64,
    /// a0 as it was on entry, for a call made again.
    pub first: u64,
    /// The description of the site ([`crate::patch::SiteDesc`]).
    pub desc: u64,
    /// Keeps the size a multiple of 16.
    pub pad: u64,
}

/// Bytes of floating-point state that `entry.rs` keeps below a [`CallRegs`]: f0 to f31 and fcsr.
pub(in crate::arch) const VECTOR_AREA: usize = 32 * 8 + 16;

/// Numbers of registers (RISC-V ELF psABI, 1.1).
pub(super) const RA: usize = 1;
pub(super) const SP: usize = 2;
pub(super) const TP: usize = 4;
pub(super) const A0: usize = 10;
pub(super) const A7: usize = 17;

impl CallRegs {
    /// No registers at all.
    pub(super) const ZERO: Self = Self { x: [0; 32], number: 0, first: 0, desc: 0, pad: 0 };

    /// The call number: a7, of which the kernel takes all (`do_trap_ecall_u`,
    /// arch/riscv/kernel/traps.c).
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// The six arguments.
    pub fn args(&self) -> [usize; 6] {
        [0, 1, 2, 3, 4, 5].map(|index| self.x[A0 + index] as usize)
    }

    /// The six arguments of a call that enters the other way: there is none.
    pub fn compat_args(&self) -> [usize; 6] {
        self.args()
    }

    /// What the call left in the result register.
    pub fn result(&self) -> isize {
        self.x[A0] as isize
    }

    /// Sets the result.
    pub fn set_result(&mut self, result: isize) {
        self.x[A0] = result as u64;
    }

    /// Puts the first argument back where the result has overwritten it, for a call made again.
    pub fn rearm(&mut self) {
        self.x[A0] = self.first;
    }

    /// The caller's stack pointer.
    pub fn sp(&self) -> usize {
        self.x[SP] as usize
    }

    /// Sets the stack pointer with which the caller goes on.
    pub fn set_sp(&mut self, sp: usize) {
        self.x[SP] = sp as u64;
    }

    /// The address at which the caller goes on.
    pub fn pc(&self) -> usize {
        self.x[0] as usize
    }

    /// Sets the address at which the caller goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.x[0] = pc as u64;
    }

    /// Goes on where the caller's function was called from.
    pub fn return_to_caller(&mut self) {
        self.x[0] = self.x[RA];
    }

    /// Leaves the scratch registers as the kernel would: it changes none but a0.
    pub fn set_clobbers(&mut self, _after: usize) {}

    /// Where `entry.rs` keeps the caller's floating-point registers.
    pub(in crate::arch) fn vectors(&self) -> *mut u8 {
        (core::ptr::from_ref(self) as usize - VECTOR_AREA) as *mut u8
    }
}
