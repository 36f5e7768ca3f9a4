//! The caller's registers at a site.

/// All that a caller had in its general registers when it made a call, and what it will have
/// when it goes on. The order is the one in which `entry.rs` pushes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CallRegs {
    /// First argument.
    pub ebx: u32,
    /// Second argument.
    pub ecx: u32,
    /// Third argument.
    pub edx: u32,
    /// Fourth argument.
    pub esi: u32,
    /// Fifth argument.
    pub edi: u32,
    /// Sixth argument.
    pub ebp: u32,
    /// The call number on entry, the result on the way out.
    pub eax: u32,
    /// The call number as it was on entry.
    pub number: u32,
    /// Where the caller goes on: an address that can be jumped to.
    pub eip: u32,
    /// Flags.
    pub flags: u32,
    /// The caller's stack pointer.
    pub esp: u32,
    /// The description of the site ([`crate::patch::SiteDesc`]), in the stub.
    pub desc: u32,
}

/// Bytes of vector state that `entry.rs` keeps below a [`CallRegs`]: xmm0 to xmm7 and mxcsr.
pub(in crate::arch) const VECTOR_AREA: usize = 8 * 16 + 16;

impl CallRegs {
    /// No registers at all: the state the kernel gives a new program.
    pub const ZERO: Self = Self {
        ebx: 0,
        ecx: 0,
        edx: 0,
        esi: 0,
        edi: 0,
        ebp: 0,
        eax: 0,
        number: 0,
        eip: 0,
        flags: 0x202,
        esp: 0,
        desc: 0,
    };

    /// The call number.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// The six arguments.
    pub fn args(&self) -> [usize; 6] {
        [self.ebx, self.ecx, self.edx, self.esi, self.edi, self.ebp].map(|r| r as usize)
    }

    /// The same: there is one way into the kernel.
    pub fn compat_args(&self) -> [usize; 6] {
        self.args()
    }

    /// What the call left in the result register.
    pub fn result(&self) -> isize {
        self.eax as isize
    }

    /// Sets the result.
    pub fn set_result(&mut self, result: isize) {
        self.eax = result as u32;
    }

    /// Puts the call number back where the site's instruction takes it, for a call made again.
    pub fn rearm(&mut self) {
        self.eax = self.number;
    }

    /// The caller's stack pointer.
    pub fn sp(&self) -> usize {
        self.esp as usize
    }

    /// Sets the stack pointer with which the caller goes on.
    pub fn set_sp(&mut self, sp: usize) {
        self.esp = sp as u32;
    }

    /// The address at which the caller goes on.
    pub fn pc(&self) -> usize {
        self.eip as usize
    }

    /// Sets the address at which the caller goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.eip = pc as u32;
    }

    /// Goes on behind the call of the function that was entered: its `ret`.
    pub fn return_to_caller(&mut self) {
        // SAFETY: the function was called, and the return address not yet taken off the stack.
        self.eip = unsafe { (self.esp as *const u32).read() };
        self.esp += 4;
    }

    /// Leaves the scratch registers as the kernel would: `int $0x80` has none.
    pub fn set_clobbers(&mut self, _after: usize) {}

    /// Where `entry.rs` keeps the caller's vector registers.
    pub(in crate::arch) fn vectors(&self) -> *mut u8 {
        (core::ptr::from_ref(self) as usize - VECTOR_AREA) as *mut u8
    }
}
