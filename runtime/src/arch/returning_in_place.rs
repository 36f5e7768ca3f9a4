//! The frame that `rt_sigreturn(2)` takes back, where it has to stay in its place.

use super::{CONTEXT, CallRegs, Context, HEAD};
use crate::memory::readable;
use crate::sys::Result;

/// What `rt_sigreturn` takes back of a frame: in its place, because the kernel wants what follows the context there.
pub struct Returning(usize);

impl Returning {
    /// That of the frame that `rt_sigreturn` called with `regs` would restore.
    pub fn of(regs: &CallRegs) -> Result<Self> {
        let at = regs.sp().wrapping_add(CONTEXT);
        readable(at, HEAD).map(|()| Self(at))
    }

    /// What will be restored.
    pub fn context(&mut self) -> Context {
        // SAFETY: a context is there, as far as it is looked at.
        unsafe { Context::new(self.0) }
    }

    /// The stack pointer to call with.
    pub fn sp(&self, regs: &CallRegs) -> usize {
        regs.sp()
    }
}
