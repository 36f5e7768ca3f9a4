//! Calls that wait with a signal mask of their own. When a signal ends the wait, its handler runs
//! with that mask, and the caller's comes back after (`set_user_sigmask`, `signal_delivered`,
//! kernel/signal.c). The frame tells the second only.

use crate::layer::Call;
use crate::memory::{User, read_words};
use crate::sys::{self, Errno, Result};

/// Where a call has the address of its mask.
#[derive(Clone, Copy)]
pub enum MaskArgument {
    /// In the argument of this index.
    Pointer(usize),
    /// In the first word of a structure that the argument of this index points to.
    Structure(usize),
}

impl MaskArgument {
    /// The mask; `None` when the call has none.
    fn read(self, args: &[usize; 6]) -> Result<Option<u64>> {
        let mut pointer = [0];
        match self {
            Self::Pointer(index) => pointer[0] = args[index],
            Self::Structure(index) if args[index] != 0 => read_words(args[index], &mut pointer)?,
            Self::Structure(_) => {}
        }
        match pointer[0] {
            0 => Ok(None),
            at => User::<u64>::new(at).read().map(Some),
        }
    }
}

/// Makes the call, and notes its mask when a signal has ended it.
pub fn wait_masked(call: &mut Call<'_>, mask: MaskArgument) -> isize {
    let result = call.pass();
    if result == sys::raw(Err(Errno::INTR)) {
        // The kernel has read it; another thread may have taken it away since.
        call.block.temporary_mask = mask.read(&call.args).unwrap_or(None);
    }
    result
}
