//! The names of the watch on processors where no process is watched.

use super::{Context, SigInfo, Watched};
use crate::thread::Block;

/// Whether a process on this processor can be watched.
pub const CAN_WATCH: bool = false;

/// Where a stub of a watched process would come with its call, and behind it.
pub fn watched_entries() -> (usize, usize) {
    (0, 0)
}

/// Where `pc` is on the way of a watched call: there is none.
pub fn watched_at(_pc: usize) -> Watched {
    Watched::Elsewhere
}

/// Whether a `SIGSYS` of user dispatch is for the processor's old way into the kernel.
pub fn dispatched_compat(_info: &SigInfo) -> bool {
    false
}

/// Changes the stub of a site so that its call is made in the resident: no stub here can be.
pub fn divert(_stubs: &mut [u8], _desc: usize) -> Option<()> {
    None
}

/// Nothing is dispatched here.
impl Context {
    /// The context is behind an instruction that the kernel has dispatched.
    pub fn enter_anywhere(&mut self, _compat: bool, _block: &mut Block) {}

    /// The same behind the system call of a stub.
    pub fn enter_site(&mut self, _desc: usize) {}

    /// What a call at a site before an address leaves where the kernel puts that.
    pub fn set_address_behind(&mut self, _address: usize) {}

    /// Where the description of the site is at the entry of a watched call.
    pub fn entering_site(&self) -> usize {
        0
    }
}
