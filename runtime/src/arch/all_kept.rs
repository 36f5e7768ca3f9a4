//! Where the entry saves all of the vector state that a module's code may use, nothing is kept besides.

/// The components that can be kept: none.
pub const KEPT: u64 = 0;

/// What is kept for the caller while a module's code runs.
pub struct Kept;

impl Kept {
    /// Nothing.
    pub const fn none() -> Self {
        Self
    }

    /// Before a call of vload's from the module's code.
    pub fn lend(&self) {}

    /// The call has returned.
    pub fn end(&self, _lent: ()) {}
}

/// Makes a call of a module's code.
pub fn keeping(_components: u64, _kept: &Kept, call: impl FnOnce() -> isize) -> isize {
    call()
}

/// The name of a component, by its bit: there is none.
pub fn component(_bit: u32) -> &'static str {
    ""
}

/// Whether the machine lets the components be kept.
pub fn can_keep(components: u64) -> bool {
    components == 0
}
