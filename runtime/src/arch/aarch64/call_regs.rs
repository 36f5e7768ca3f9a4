//! The caller's registers at a site.

use core::mem::size_of;

use crate::thread::Block;

/// All that a caller had in its general registers when it made a call, and what it will have when
/// it goes on. `entry.rs` knows the layout.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct CallRegs {
    /// x0 to x30; x0 becomes the result.
    pub x: [u64; 31],
    /// The caller's stack pointer.
    pub sp: u64,
    /// Where the caller goes on: an address that can be jumped to.
    pub pc: u64,
    /// Flags, as `mrs nzcv` gives them.
    pub nzcv: u64,
    /// The call number as it was on entry.
    pub number: u64,
    /// x0 as it was on entry, for a call made again.
    pub first: u64,
    /// The description of the site ([`crate::patch::SiteDesc`]), in the stub.
    pub desc: u64,
    /// The thread's block: no register leads to it on the way out.
    pub block: *mut Block,
    /// 1 when `pc` is in a stub, which takes x16 and x17 from the caller's stack: nothing can be
    /// jumped to without a register. 0 when `pc` is the first instruction of a function, where both
    /// are free (AAPCS64, 6.1.1).
    pub pops: u64,
    /// Keeps the size a multiple of 16.
    pub pad: u64,
}

/// Bytes of vector state that `entry.rs` keeps below a [`CallRegs`]: q0 to q31, fpsr and fpcr.
pub(in crate::arch) const VECTOR_AREA: usize = 32 * 16 + 16;

const _: () = assert!(size_of::<CallRegs>() == 0x140);

impl CallRegs {
    /// The call number: what the kernel takes of x8 (`el0_svc_common`, arch/arm64/kernel/syscall.c).
    pub fn number(&self) -> usize {
        self.number as u32 as usize
    }

    /// The six arguments.
    pub fn args(&self) -> [usize; 6] {
        [0, 1, 2, 3, 4, 5].map(|index| self.x[index] as usize)
    }

    /// The six arguments of a call that enters the other way: there is none.
    pub fn compat_args(&self) -> [usize; 6] {
        self.args()
    }

    /// What the call left in the result register.
    pub fn result(&self) -> isize {
        self.x[0] as isize
    }

    /// Sets the result.
    pub fn set_result(&mut self, result: isize) {
        self.x[0] = result as u64;
    }

    /// Puts the first argument back where the result has overwritten it, for a call made again.
    pub fn rearm(&mut self) {
        self.x[0] = self.first;
    }

    /// The caller's stack pointer.
    pub fn sp(&self) -> usize {
        self.sp as usize
    }

    /// Sets the stack pointer with which the caller goes on.
    pub fn set_sp(&mut self, sp: usize) {
        self.sp = sp as u64;
    }

    /// The address at which the caller goes on.
    pub fn pc(&self) -> usize {
        self.pc as usize
    }

    /// Sets the address at which the caller goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.pc = pc as u64;
    }

    /// Goes on behind the call of the function that was entered: its `ret`.
    pub fn return_to_caller(&mut self) {
        self.pc = self.x[30];
    }

    /// Leaves the scratch registers as the kernel would: it changes none but x0.
    pub fn set_clobbers(&mut self, _after: usize) {}

    /// Where `entry.rs` keeps the caller's vector registers.
    pub(in crate::arch) fn vectors(&self) -> *mut u8 {
        (core::ptr::from_ref(self) as usize - VECTOR_AREA) as *mut u8
    }
}
