//! The context of a signal frame as far as it is alike everywhere; each architecture has the rest of
//! [`Context`] beside the layout of its `struct ucontext`.

use super::UContext;

/// A signal frame's `ucontext`, in whoever's memory it lies.
#[derive(Clone, Copy)]
pub struct Context(pub(super) *mut UContext);

impl Context {
    /// The context that the kernel gave a handler as its third argument.
    ///
    /// # Safety
    /// `context` must point to a complete `ucontext` for as long as the value is used.
    pub unsafe fn new(context: usize) -> Self {
        Self(context as *mut UContext)
    }

    pub(super) fn get(&self) -> &UContext {
        // SAFETY: `new` was promised a complete ucontext.
        unsafe { &*self.0 }
    }

    pub(super) fn get_mut(&mut self) -> &mut UContext {
        // SAFETY: as in `get`; the value is not shared while it is changed: contexts belong to the
        // thread that was interrupted.
        unsafe { &mut *self.0 }
    }

    /// The signals that were blocked.
    pub fn mask(&self) -> u64 {
        self.get().sigmask
    }

    /// The alternate stack as the frame has it: start, flags, size.
    pub fn altstack(&self) -> (usize, i32, usize) {
        let c = self.get();
        (c.stack_sp as usize, c.stack_flags, c.stack_size as usize)
    }

    /// Sets what `rt_sigreturn` will make the alternate stack.
    pub fn set_altstack(&mut self, sp: usize, flags: i32, size: usize) {
        let c = self.get_mut();
        c.stack_sp = sp as _;
        c.stack_flags = flags;
        c.stack_size = size as _;
    }
}
