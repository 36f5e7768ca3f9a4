//! A signal's action, where the kernel knows `SA_RESTORER`.

/// `struct sigaction` as the kernel has it (arch/x86/include/asm/signal.h, asm-generic/signal.h; arch/arm64
/// defines `SA_RESTORER` for the sake of 32-bit programs, and so has the field).
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

/// What the kernel must see with every handler: `SA_RESTORER`.
pub const ACTION_FLAGS: usize = 0x0400_0000;
