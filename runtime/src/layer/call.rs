//! A call on its way through the layers.

use crate::abi::Entry;
use crate::arch::{self, CallRegs};
use crate::seccomp;
use crate::sys;
use crate::thread::Block;
use crate::view::Descriptors;

/// One system call of the target.
pub struct Call<'a> {
    /// The caller's registers.
    pub regs: &'a mut CallRegs,
    /// The calling thread's block.
    pub block: &'a mut Block,
    /// The call number.
    pub number: usize,
    /// The arguments; a layer may change them before it passes the call on.
    pub args: [usize; 6],
    /// How it entered.
    pub entry: Entry,
    /// What services may answer it: those with a smaller epoch.
    pub limit: u64,
    /// Of those that have claimed calls by their numbers, the ones with an epoch that is smaller than this, too. A layer's claim of a
    /// path is younger than the layer, and what it asks for such a path is nothing for itself.
    pub asker: u64,
    /// A signal does not keep it from being made.
    pub steady: bool,
}

impl<'a> Call<'a> {
    /// The call that `regs` ask for, by `int $0x80` if `compat`.
    pub fn new(regs: &'a mut CallRegs, block: &'a mut Block, compat: bool) -> Self {
        let number = regs.number();
        let entry = if compat { Entry::Compat } else { Entry::native(number) };
        let args = match entry {
            Entry::Native | Entry::X32 => regs.args(),
            Entry::Compat => regs.compat_args(),
        };
        let (limit, asker) = (u64::MAX, u64::MAX);
        Self { number, args, entry, regs, block, limit, asker, steady: false }
    }

    /// vload's descriptors as numbered in the caller's table.
    pub fn descriptors(&self) -> &'static Descriptors {
        // SAFETY: a bound block has its descriptors: the static ones, or those in the block of a
        // vfork child, which outlives the calls of that child.
        unsafe { &*self.block.descriptors }
    }

    /// Makes the call with the arguments as they are now. [`arch::ABORTED`] when a signal came
    /// first.
    pub fn pass(&mut self) -> isize {
        // SAFETY: the arguments are the target's, or were put in by a layer that owns what they
        // point to.
        unsafe {
            let result = match self.entry {
                Entry::Native | Entry::X32 => arch::forward(self.number, &self.args, self.block),
                Entry::Compat => arch::forward_compat(self.number, &self.args, self.block),
            };
            match result == arch::ABORTED && self.steady {
                // What is held stays held, and all signals are blocked: one that a filter sends would end the process.
                true if seccomp::stops(self.number, &self.args) => sys::raw(Err(sys::Errno::NOSYS)),
                true => arch::syscall_unasked(self.number, self.args),
                false => result,
            }
        }
    }
}
